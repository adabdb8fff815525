/** Colours as numbers. */
export type Rgb = [number, number, number];

/** `#RRGGBB`, `#RGB` or `rgb(r, g, b)`; anything else, which only a broken file can hold, is grey. */
export function rgbOf(colour: string): Rgb {
  const long = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(colour);
  if (long) return [parseInt(long[1]!, 16), parseInt(long[2]!, 16), parseInt(long[3]!, 16)];
  const short = /^#([0-9a-f])([0-9a-f])([0-9a-f])$/i.exec(colour);
  if (short) return [17 * parseInt(short[1]!, 16), 17 * parseInt(short[2]!, 16), 17 * parseInt(short[3]!, 16)];
  const numbers = /^rgb\(\s*(\d+),\s*(\d+),\s*(\d+)\s*\)$/.exec(colour);
  if (numbers) return [Number(numbers[1]), Number(numbers[2]), Number(numbers[3])];
  return [127, 140, 141];
}
