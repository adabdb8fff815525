/** Texts as tokens with a network's course over them. */
import type { Course, FloatGrid } from "../contract";

export interface Run {
  name: string;
  tokens: string[];
  values: Float32Array;
}

/** The texts of a file, each with the course of one network. */
export function runsOf(course: Course, network: number): Run[] {
  const row = rowOf(course.networks, network);
  let start = 0;
  return course.texts.map((text, i) => {
    const values = row.subarray(start, (start += text.tokens.length));
    return { name: (text as { name?: string }).name ?? `text ${i + 1}`, tokens: text.tokens, values };
  });
}

function rowOf(grid: FloatGrid, row: number): Float32Array {
  const width = grid.shape[1]!;
  return row < grid.shape[0]! ? grid.values.subarray(row * width, (row + 1) * width) : new Float32Array(0);
}

/** The largest magnitude: the full colour. */
export function strongest(values: Iterable<number>): number {
  let most = 0;
  for (const value of values) if (Math.abs(value) > most) most = Math.abs(value);
  return most;
}

/** Places of the strongest values, strongest first. */
export function peaks(values: ArrayLike<number>, most = 5): number[] {
  return Array.from(values, (_, place) => place)
    .filter((place) => Number.isFinite(values[place]))
    .sort((a, b) => Math.abs(values[b]!) - Math.abs(values[a]!) || a - b)
    .slice(0, most);
}

/** A token as it is shown: line ends and tabs have a sign, as nothing else would be seen of them. */
export const visible = (token: string): string => token.replaceAll("\n", "↵").replaceAll("\t", "⇥") || "∅";
