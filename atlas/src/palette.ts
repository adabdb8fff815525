/** Colours that mean something. Domains have those of the figures; a test looks at all with simulated colour blindness. */
import { interpolateRdBu, interpolateViridis } from "d3-scale-chromatic";
import { rgbOf, type Rgb } from "./rgb";

export type { Rgb };

export const OTHER_DOMAIN = "#7F8C8D";
/** Units of several domains. */
export const SHARED = "#9B59B6";

/** Second cue beside the colour: to some eyes language and social look alike. */
export const DOMAIN_MARKS: Record<string, string> = {
  language: "●",
  formal: "■",
  physical: "▲",
  social: "◆",
};
const MORE_MARKS = ["✖", "▼", "★", "⬟", "⬢"];

export function markOf(domain: string, index: number): string {
  return DOMAIN_MARKS[domain] ?? MORE_MARKS[index % MORE_MARKS.length]!;
}

/** 256 colours of a scale, for pixels: entry i stands for (i + 0.5) / 256. */
function table(colourAt: (share: number) => string): Uint8ClampedArray {
  const out = new Uint8ClampedArray(256 * 3);
  for (let i = 0; i < 256; i++) out.set(rgbOf(colourAt((i + 0.5) / 256)), i * 3);
  return out;
}

// The ends of RdBu are nearly black; between 0.06 and 0.94 they are still red and blue.
const signedAt = (share: number): string => interpolateRdBu(1 - (0.06 + 0.88 * share));

/** Negative blue, zero white, positive red. */
export const SIGNED = table(signedAt);
/** On a dark page zero is dark, so that what stands out is what is far from zero. */
export const SIGNED_DARK = table((share) => {
  const away = Math.abs(2 * share - 1);
  const end: Rgb = share > 0.5 ? [255, 134, 110] : [102, 186, 255];
  const zero: Rgb = [34, 36, 42];
  const [r, g, b] = end.map((value, i) => Math.round(zero[i]! + (value - zero[i]!) * away ** 0.8)) as unknown as Rgb;
  return `rgb(${r}, ${g}, ${b})`;
});
/** Magnitude: viridis, from dark to light. */
export const MAGNITUDE = table(interpolateViridis);

/** The colour of a signed value where `end` has the full one. */
export function signedColour(value: number, end: number, dark = false): string {
  const scale = dark ? SIGNED_DARK : SIGNED;
  const i = 3 * indexOf(0.5 + (0.5 * value) / (end || 1));
  return `rgb(${scale[i]}, ${scale[i + 1]}, ${scale[i + 2]})`;
}

/** The colour of a magnitude between 0 and `end`. */
export function magnitudeColour(value: number, end: number): string {
  const i = 3 * indexOf(value / (end || 1));
  return `rgb(${MAGNITUDE[i]}, ${MAGNITUDE[i + 1]}, ${MAGNITUDE[i + 2]})`;
}

/** Which of 256 entries shows a share between 0 and 1. */
export const indexOf = (share: number): number => Math.max(0, Math.min(255, Math.floor(share * 256)));

/** Black or white, whichever is easier to read on a colour. */
export function textOn(colour: string): "#000000" | "#ffffff" {
  const [r, g, b] = rgbOf(colour).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as unknown as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.18 ? "#000000" : "#ffffff";
}
