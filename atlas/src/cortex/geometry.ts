/**
 * Where units lie on the screen. Units run from left to right, layers from the bottom (the input) to the top.
 * Zooming in first narrows the window along the units; once a unit would be wider than its layer is high, layers
 * grow, too, so that a unit seen from near is a square.
 */
import type { Window } from "../state";

/** The plot without its axes, in CSS pixels. */
export interface Plot {
  width: number;
  height: number;
  units: number;
  layers: number;
}

export const LARGEST_CELL = 48;

export const whole = (plot: Plot): Window => ({ x: 0, y: 0, k: plot.width / plot.units });

const flat = (plot: Plot): number => plot.height / plot.layers;

/** Pixels that a layer is high. */
export const rowHeight = (plot: Plot, window: Window): number => Math.max(flat(plot), window.k);

/** Inside the map, and neither nearer nor farther than it may be. `y` counts rows from the top, `x` units. */
export function clamped(plot: Plot, window: Window): Window {
  const least = plot.width / plot.units;
  // A window of an address may come from a larger screen; maps of few units are near as they are.
  const k = Math.min(Math.max(window.k, least), Math.max(LARGEST_CELL, least));
  const rows = plot.height / rowHeight(plot, { ...window, k });
  const x = Math.min(Math.max(window.x, 0), Math.max(0, plot.units - plot.width / k));
  const y = Math.min(Math.max(window.y, 0), Math.max(0, plot.layers - rows));
  return { x, y, k };
}

/** Zoomed by a factor about a point of the plot, which stays where it is. */
export function zoomed(plot: Plot, window: Window, factor: number, px: number, py: number): Window {
  const least = plot.width / plot.units;
  const k = Math.min(Math.max(window.k * factor, least), Math.max(LARGEST_CELL, least));
  const x = window.x + px / window.k - px / k;
  const y = window.y + py / rowHeight(plot, window) - py / rowHeight(plot, { ...window, k });
  return clamped(plot, { x, y, k });
}

export const panned = (plot: Plot, window: Window, dx: number, dy: number): Window =>
  clamped(plot, { ...window, x: window.x - dx / window.k, y: window.y - dy / rowHeight(plot, window) });

/** Layer and place (before any order of units) under a point. */
export function placeAt(plot: Plot, window: Window, px: number, py: number): { layer: number; place: number } | undefined {
  const place = Math.floor(window.x + px / window.k);
  const row = Math.floor(window.y + py / rowHeight(plot, window));
  if (px < 0 || py < 0 || px >= plot.width || py >= plot.height) return undefined;
  if (place < 0 || place >= plot.units || row < 0 || row >= plot.layers) return undefined;
  return { layer: plot.layers - 1 - row, place };
}

/** Left, top, width and height of a place. */
export function boxOf(plot: Plot, window: Window, layer: number, place: number): [number, number, number, number] {
  const high = rowHeight(plot, window);
  return [(place - window.x) * window.k, (plot.layers - 1 - layer - window.y) * high, window.k, high];
}

/** A window in which a place is seen, moved as little as possible; some room is left around it. */
export function showing(plot: Plot, window: Window, layer: number, place: number): Window {
  const high = rowHeight(plot, window);
  const [left, top] = boxOf(plot, window, layer, place);
  const margin = 24;
  let { x, y } = window;
  if (left < margin) x -= (margin - left) / window.k;
  if (left + window.k > plot.width - margin) x += (left + window.k - plot.width + margin) / window.k;
  if (top < 0) y += top / high;
  if (top + high > plot.height) y += (top + high - plot.height) / high;
  return clamped(plot, { ...window, x, y });
}

/**
 * Places whose middle lies inside a closed line: [layer, first place, last place], even-odd where it crosses itself.
 * A stroke so flat that it misses the middle of its layer counts for the layer that holds most of it.
 */
export function inside(plot: Plot, window: Window, line: [number, number][]): [number, number, number][] {
  if (line.length < 3) return [];
  const high = rowHeight(plot, window);
  const found: [number, number, number][] = [];
  const tops = line.map(([, y]) => y);
  const lowest = Math.min(...tops);
  const highest = Math.max(...tops);
  const scan = (row: number, y: number): void => {
    const crossings: number[] = [];
    line.forEach(([x1, y1], i) => {
      const [x2, y2] = line[(i + 1) % line.length]!;
      if (y1 <= y !== y2 <= y) crossings.push(x1 + ((y - y1) / (y2 - y1)) * (x2 - x1));
    });
    crossings.sort((a, b) => a - b);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      const first = Math.max(0, Math.ceil(window.x + crossings[i]! / window.k - 0.5));
      const last = Math.min(plot.units - 1, Math.ceil(window.x + crossings[i + 1]! / window.k - 0.5) - 1);
      if (last >= first) found.push([plot.layers - 1 - row, first, last]);
    }
  };
  for (let row = 0; row < plot.layers; row++) scan(row, (row + 0.5 - window.y) * high);
  if (found.length === 0) {
    const middle = (lowest + highest) / 2;
    const row = Math.floor(window.y + middle / high);
    if (row >= 0 && row < plot.layers) scan(row, middle);
  }
  return found;
}
