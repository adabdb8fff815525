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
    return { name: text.name ?? `text ${i + 1}`, tokens: text.tokens, values };
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

/** A stretch of text that is seen as one: a character may take several tokens, all but the first empty. */
export interface Piece {
  text: string;
  /** Of its tokens. */
  from: number;
  values: number[];
  /** The value of the largest magnitude. */
  strongest: number;
}

export function piecesOf(run: Run): Piece[] {
  const pieces: Piece[] = [];
  run.tokens.forEach((token, place) => {
    const value = run.values[place]!;
    const last = pieces.at(-1);
    if (token === "" && last) {
      last.values.push(value);
      if (Math.abs(value) > Math.abs(last.strongest)) last.strongest = value;
    } else pieces.push({ text: token, from: place, values: [value], strongest: value });
  });
  return pieces;
}

/** A token as it is shown: line ends and tabs have a sign, as nothing else would be seen of them. */
export const visible = (token: string): string => token.replaceAll("\n", "↵").replaceAll("\t", "⇥") || "∅";

/** Lines of pieces of given widths: where each stands; a line ends at the width, or at a sign of a line's end. */
export function flow<T extends { text: string; width: number }>(pieces: readonly T[], most: number): (T & { x: number; line: number })[] {
  let [x, line] = [0, 0];
  return pieces.map((piece) => {
    if (x > 0 && x + piece.width > most) [x, line] = [0, line + 1];
    const placed = { ...piece, x, line };
    x += piece.width;
    if (piece.text.endsWith("↵")) [x, line] = [0, line + 1];
    return placed;
  });
}
