/** Where in depth the units of a map lie. */

export interface Profile {
  name: string;
  label: string;
  colour: string;
  /** Units per layer. */
  counts: number[];
  n: number;
  control?: boolean;
  dash?: string;
}

export const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);

/** Per cent of a map's units; NaN where it has none. */
export const shares = (counts: readonly number[]): number[] => {
  const all = total(counts);
  return counts.map((count) => (all ? (100 * count) / all : NaN));
};

/** Each unit once, however many circuits it is in. */
export function union(sets: Iterable<Iterable<number>>): Set<number> {
  const all = new Set<number>();
  for (const units of sets) for (const unit of units) all.add(unit);
  return all;
}
