/** The buttons below every view: its picture and its data. */
import type { RefObject } from "preact";
import { saveCsv, savePng, saveSvg } from "./export";

interface Props {
  /** File name without ending: says model and view. */
  name: string;
  /** The view's picture, or what contains it. */
  picture?: RefObject<SVGSVGElement | HTMLElement | null>;
  csv?: () => string;
}

export function TakeAway({ name, picture, csv }: Props) {
  const svg = (): SVGSVGElement | null => {
    const element = picture?.current;
    return element instanceof SVGSVGElement ? element : (element?.querySelector("svg") ?? null);
  };
  const withSvg = (give: (svg: SVGSVGElement) => unknown) => () => {
    const found = svg();
    if (found) give(found);
  };
  return (
    <p class="take">
      <span aria-hidden="true">Take away</span>
      {picture && (
        <>
          <button type="button" aria-label="Take away as SVG" onClick={withSvg((found) => saveSvg(name, found))}>
            SVG
          </button>
          <button type="button" aria-label="Take away as PNG" onClick={withSvg((found) => savePng(name, found))}>
            PNG
          </button>
        </>
      )}
      {csv && (
        <button type="button" aria-label="Take away the data as CSV" onClick={() => saveCsv(name, csv())}>
          CSV
        </button>
      )}
    </p>
  );
}
