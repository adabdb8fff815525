/** What measures are called. */
import { number } from "../format";

/** Measures of overlap -> what a value is a share of. */
export const MEASURES: Record<string, string> = {
  containment: "Shared units / circuit size",
  jaccard: "Shared units / units of either",
  doubly_stochastic: "Containment, rows and columns scaled to 1",
  noise_corrected: "Containment / share that comes back on other items",
  accuracy_drop: "Accuracy lost",
};

export const measureName = (measure: string): string => measure.replaceAll("_", " ");

/** `0.12 [0.08, 0.19]`, without the brackets where there is no interval. */
export function between(value: number, low: number, high: number): string {
  return Number.isFinite(low) && Number.isFinite(high) ? `${number(value)} [${number(low)}, ${number(high)}]` : number(value);
}

/** Three decimals, for values that stand below each other: `−0.007`. */
export const decimals = (value: number): string => {
  if (!Number.isFinite(value)) return "–";
  const text = Math.abs(value).toFixed(3);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
};

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** Powers of ten on an axis: 100, 1,000, 10⁶. */
export function powers(value: number): string {
  if (value >= 1 && value < 1e4) return value.toLocaleString("en-US");
  const power = Math.round(Math.log10(value));
  if (Math.abs(Math.log10(value) - power) > 1e-9) return number(value);
  return `10${power < 0 ? "⁻" : ""}${[...String(Math.abs(power))].map((digit) => SUPERSCRIPTS[Number(digit)]).join("")}`;
}

/** `p = 0.03`, `q < 0.001`, which no line parts. */
export function chance(name: string, value: number): string {
  if (!Number.isFinite(value)) return `${name} not tested`;
  return value < 0.001 ? `${name}\u00a0<\u00a00.001` : `${name}\u00a0=\u00a0${number(Number(value.toPrecision(2)))}`;
}
