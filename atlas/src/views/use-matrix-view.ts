/** What the views of matrices begin with: the model's matrices or the average's, beside those of the compared model. */
import type { RefObject } from "preact";
import { useRef } from "preact/hooks";
import type { Matrices, Model } from "../contract";
import { ready, type Loaded } from "../data";
import { model, state } from "../state";
import { compared, useHolding, useMatrices, useMatricesOrAverage } from "./study";
import { useWidth } from "./use-width";

export interface MatrixView {
  own: Model | undefined;
  loaded: Loaded<Matrices>;
  matrices: Matrices | undefined;
  /** Of these: the chosen one, or the one that there is. */
  component: string;
  average: boolean;
  /** Of what the matrices are, as file names and titles have it. */
  file: string;
  title: string;
  /** The choice between the model and the average. */
  options: [string, string][];
  choose: (value: string) => void;
  other: Model | undefined;
  theirs: Matrices | undefined;
  /** Tasks whose circuits hold what is chosen. */
  holding: ReadonlySet<string>;
  picture: RefObject<SVGSVGElement | null>;
  second: RefObject<SVGSVGElement | null>;
  box: (element: HTMLDivElement | null) => void;
  width: number;
}

export function useMatrixView(): MatrixView {
  const own = model.value;
  const { loaded, average, options, choose } = useMatricesOrAverage(own);
  const other = compared.value;
  const theirs = ready(useMatrices(other));
  const picture = useRef<SVGSVGElement>(null);
  const second = useRef<SVGSVGElement>(null);
  const [box, width] = useWidth();
  const holding = useHolding(own);
  const matrices = ready(loaded);
  return {
    own, loaded, matrices, average, options, choose, other, theirs, holding, picture, second, box, width,
    component: componentOf(matrices, state.component.value),
    file: average ? "average" : (own?.name ?? ""),
    title: average ? "average of all models" : (own?.label ?? ""),
  };
}

/** The component that is chosen, or the one that the matrices have. */
export function componentOf(matrices: Matrices | undefined, wanted: string): string {
  const has = new Set(Object.values(matrices?.overlap ?? {}).flatMap((one) => Object.keys(one)));
  return !has.size || has.has(wanted) ? wanted : [...has][0]!;
}
