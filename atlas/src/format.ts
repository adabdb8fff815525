/** Numbers and places as people read them. */
import { format } from "d3-format";

const plain = format(".3~g");
const grouped = format(",d");
const percentOne = format(".1%");

/** Three digits; a true minus sign; a dash where there is no value. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e7)) return format(".2~e")(value).replaceAll("-", "−");
  if (size >= 1000) return format(",.0f")(value).replaceAll("-", "−");
  if (size < 1e-3) return format(".2~r")(value).replaceAll("-", "−");
  return plain(value).replaceAll("-", "−");
}

export const signed = (value: number): string => (value > 0 ? `+${number(value)}` : number(value));
export const count = (value: number): string => grouped(value);
export const percent = (share: number | null | undefined): string =>
  share === null || share === undefined || Number.isNaN(share) ? "–" : percentOne(share).replaceAll("-", "−").replace("%", "\u00a0%");

/** A factor: as many digits as tell it from 1. */
export function ratio(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value) || value < 0.1) return number(value);
  if (value >= 10) return format(value >= 100 ? ",.0f" : ".1f")(value);
  return value.toFixed(Math.abs(value - 1) < 0.01 ? 3 : 2);
}

/** Two digits, for narrow tables. */
export const short = (value: number): string => (Number.isFinite(value) ? format(Math.abs(value) < 1e-4 && value !== 0 ? ".1~e" : ".2~r")(value).replaceAll("-", "−") : "–");

const METHODS: Record<string, string> = { canica: "CanICA", fastica: "FastICA", dictionary: "dictionary learning" };

/** How networks were found, as papers call it. */
export const methodName = (method: string): string => METHODS[method] ?? method;

/** Of the components of circuits. */
export const LETTERS: Record<string, string> = { neurons: "N", heads: "H", experts: "E", router: "R" };

/** `L21 N4711`, `L3 H7`, of a mixture `L3 E12` and a router's logit `L3 R12`; dimensions of other sites are called D. */
export const unitName = (site: string, layer: number, unit: number): string => `L${layer} ${LETTERS[site] ?? "D"}${unit}`;

/** `positive-0.1pct` -> `best 0.1 %`. */
export function selName(sel: string): string {
  const match = /^(positive|negative|absolute)-([\d.]+)pct$/.exec(sel);
  if (!match) return sel;
  const sign = { positive: "highest", negative: "lowest", absolute: "largest" }[match[1]!];
  return `${sign} ${Number(match[2])} %`;
}
