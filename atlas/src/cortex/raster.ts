/**
 * A field as pixels: one a cell, and copies of it in which 2, 4, 8, ... neighbours of a layer share one, which has
 * the colour of the strongest among them. Drawing takes the copy whose pixels are at least one of the screen.
 */
import type { Field } from "./field";

/** Browsers refuse canvases that are much larger. */
const MOST = 4096;

export interface Level {
  /** Cells of the field in one of its pixels. */
  pool: number;
  cells: number;
  rgba: Uint32Array<ArrayBuffer>;
}

/** Half as many cells, each like the stronger of two. */
export function pooled(
  layers: number,
  cells: number,
  rgba: Uint32Array,
  weight: Float32Array,
): { cells: number; rgba: Uint32Array<ArrayBuffer>; weight: Float32Array } {
  const half = Math.ceil(cells / 2);
  const out = new Uint32Array(layers * half);
  const heavy = new Float32Array(layers * half);
  for (let layer = 0; layer < layers; layer++) {
    for (let cell = 0; cell < half; cell++) {
      const a = layer * cells + 2 * cell;
      const b = 2 * cell + 1 < cells && weight[a + 1]! > weight[a]! ? a + 1 : a;
      out[layer * half + cell] = rgba[b]!;
      heavy[layer * half + cell] = weight[b]!;
    }
  }
  return { cells: half, rgba: out, weight: heavy };
}

/** The field and its coarser copies, down to `least` cells a layer. */
export function levelsOf(field: Pick<Field, "layers" | "cells" | "rgba" | "weight">, least = 256): Level[] {
  const levels: Level[] = [{ pool: 1, cells: field.cells, rgba: field.rgba }];
  let { cells, rgba, weight } = field;
  for (let pool = 2; cells > least; pool *= 2) {
    ({ cells, rgba, weight } = pooled(field.layers, cells, rgba, weight));
    levels.push({ pool, cells, rgba });
  }
  return levels;
}

interface Tile {
  first: number;
  cells: number;
  image: CanvasImageSource;
}

/** A field's pixels as the browser draws them. Made level by level when one is first drawn. */
export class Raster {
  private readonly levels: Level[];
  private readonly tiles = new Map<number, Tile[]>();

  constructor(private readonly field: Field) {
    this.levels = levelsOf(field);
  }

  /** The finest copy in which a pixel is at least one of the screen, for cells `k` screen pixels wide. */
  levelFor(k: number): Level {
    return this.levels.find((level) => level.pool * k >= 0.9999) ?? this.levels.at(-1)!;
  }

  /** Draws all layers: places `x` onwards, `k` pixels a unit, first row at `top`, each `high`. */
  draw(context: CanvasRenderingContext2D, x: number, k: number, top: number, high: number, width: number): void {
    const { layers, size } = this.field;
    const level = this.levelFor(k * size);
    const step = level.pool * size;
    context.imageSmoothingEnabled = false;
    for (const tile of this.tilesOf(level)) {
      const from = Math.max(tile.first, Math.floor(x / step));
      const to = Math.min(tile.first + tile.cells, Math.ceil((x + width / k) / step));
      if (to <= from) continue;
      const left = (from * step - x) * k;
      context.drawImage(tile.image, from - tile.first, 0, to - from, layers, left, top, (to - from) * step * k, layers * high);
    }
  }

  private tilesOf(level: Level): Tile[] {
    const known = this.tiles.get(level.pool);
    if (known) return known;
    const { layers } = this.field;
    const tiles: Tile[] = [];
    for (let first = 0; first < level.cells; first += MOST) {
      const cells = Math.min(MOST, level.cells - first);
      const pixels = new Uint32Array(cells * layers);
      // Layer 0 is the lowest row.
      for (let layer = 0; layer < layers; layer++) {
        const start = layer * level.cells + first;
        pixels.set(level.rgba.subarray(start, start + cells), (layers - 1 - layer) * cells);
      }
      const canvas = document.createElement("canvas");
      canvas.width = cells;
      canvas.height = layers;
      const image = new ImageData(new Uint8ClampedArray(pixels.buffer), cells, layers);
      canvas.getContext("2d")!.putImageData(image, 0, 0);
      tiles.push({ first, cells, image: canvas });
    }
    this.tiles.set(level.pool, tiles);
    return tiles;
  }
}
