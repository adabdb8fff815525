/** How many units a model has at a site: of circuits (by the component's name), of a localizer or of networks. */
import type { Model } from "./contract";

interface Part {
  width: number;
  widths?: number[];
}

const partOf = (own: Model, site: string): Part | undefined =>
  own.components.find((one) => one.name === site) ?? [...own.localizers, ...own.networks].find((one) => one.site === site);

/** Places of a layer: flat units are layer * this + unit. */
export const widthOf = (own: Model, site: string): number => partOf(own, site)?.width ?? 1;

/** Units of every layer. */
export const widthsOf = (own: Model, site: string): number[] =>
  partOf(own, site)?.widths ?? new Array<number>(own.layers).fill(widthOf(own, site));

/** Units of all layers. */
export const unitsOf = (own: Model, site: string): number => widthsOf(own, site).reduce((sum, width) => sum + width, 0);
