/** Whether two estimators give the same units the highest scores. */
import { byChanceInLayers, perLayer } from "../chance";
import type { FloatGrid } from "../contract";

/** The units of the n highest scores; equal ones by index. */
export function highest({ values }: FloatGrid, n: number): number[] {
  return Array.from(values.keys()).sort((a, b) => values[b]! - values[a]! || a - b).slice(0, n);
}

/** Units among the n highest of both, and how many are expected there of units drawn in the same layers, which have `widths`. */
export function bothHighest(a: FloatGrid, b: FloatGrid, n: number, widths: readonly number[]): { shared: number; chance: number } {
  const [layers, width] = a.shape as [number, number];
  const [one, other] = [highest(a, n), highest(b, n)];
  const own = new Set(one);
  const [first, second] = [one, other].map((units) => perLayer(units, layers, width)) as [number[], number[]];
  return { shared: other.filter((unit) => own.has(unit)).length, chance: byChanceInLayers(first, second, widths) };
}
