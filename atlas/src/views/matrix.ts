/** A matrix of tasks as cells: where they lie, what they hold, how far their colours reach. */
import type { FloatGrid } from "../contract";
import type { Axis } from "./tasks";

export interface Layout {
  /** Side of a cell. */
  cell: number;
  /** Where the cells begin. */
  left: number;
  top: number;
  width: number;
  height: number;
  /** Size of the type of names. */
  type: number;
  /** Whether cells are large enough for the names of tasks beside them. */
  named: boolean;
  /** Where the rows of controls begin. */
  controls: number;
}

/** Below that the names of tasks are not legible beside their cells. */
const SMALLEST_NAMED = 9.5;
const BAND = 7;
const GAP = 8;

/**
 * @param width of the whole picture
 * @param longest width of the longest name, in pixels
 * @param controls rows below the matrix
 */
export function layout(width: number, tasks: number, longest: number, controls = 0): Layout {
  const count = Math.max(1, tasks);
  const label = Math.min(longest + 9, width * 0.42);
  let left = label + BAND + 4;
  let cell = Math.min(26, (width - left - 2) / count);
  const named = cell >= SMALLEST_NAMED;
  if (!named) {
    left = controls ? 92 : BAND + 4;
    cell = (width - left - 2) / count;
  }
  // Instead of the names of tasks: a line with those of domains.
  const top = (named ? label : 15) + BAND + 4;
  const below = controls ? GAP + controls * Math.max(cell, 13) : 0;
  return { cell, left, top, width, height: top + cell * count + below + 4, named, controls: top + cell * count + GAP, type: Math.min(11, cell + 0.5) };
}

export const valueAt = (grid: FloatGrid, row: number, column: number): number =>
  grid.values[row * grid.shape[1]! + column] ?? NaN;

/** The largest magnitude that is shown; `diagonal`: whether a task with itself counts. */
export function reach(grid: FloatGrid, axis: Axis, diagonal: boolean, centre = 0): number {
  let most = 0;
  for (const row of axis.indices) {
    for (const column of axis.indices) {
      const size = Math.abs(valueAt(grid, row, column) - centre);
      if ((diagonal || row !== column) && size > most) most = size;
    }
  }
  return most;
}

/** Which cell a point is in, as places on the axis; undefined outside. */
export function cellAt(at: Layout, tasks: number, x: number, y: number): [number, number] | undefined {
  const column = Math.floor((x - at.left) / at.cell);
  const row = Math.floor((y - at.top) / at.cell);
  return row >= 0 && column >= 0 && row < tasks && column < tasks ? [row, column] : undefined;
}

/** The cell that an arrow key leads to. */
export function moved([row, column]: [number, number], key: string, tasks: number): [number, number] | undefined {
  const clamp = (value: number): number => Math.max(0, Math.min(tasks - 1, value));
  switch (key) {
    case "ArrowUp":
      return [clamp(row - 1), column];
    case "ArrowDown":
      return [clamp(row + 1), column];
    case "ArrowLeft":
      return [row, clamp(column - 1)];
    case "ArrowRight":
      return [row, clamp(column + 1)];
    case "Home":
      return [row, 0];
    case "End":
      return [row, tasks - 1];
    default:
      return undefined;
  }
}

/** A matrix as a table: a line per pair. */
export function* pairs(grid: FloatGrid, axis: Axis): Generator<[string, string, number]> {
  for (const [i, row] of axis.indices.entries()) {
    for (const [j, column] of axis.indices.entries()) yield [axis.tasks[i]!, axis.tasks[j]!, valueAt(grid, row, column)];
  }
}
