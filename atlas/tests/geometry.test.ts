import { describe, expect, it } from "vitest";
import { boxOf, clamped, inside, LARGEST_CELL, panned, placeAt, rowHeight, showing, whole, zoomed } from "../src/cortex/geometry";

const plot = { width: 1000, height: 300, units: 2000, layers: 30 };

describe("the map's window", () => {
  it("shows everything at first, layer 0 at the bottom", () => {
    const window = whole(plot);
    expect(placeAt(plot, window, 0.1, 0.1)).toEqual({ layer: 29, place: 0 });
    expect(placeAt(plot, window, 999.9, 299.9)).toEqual({ layer: 0, place: 1999 });
    expect(placeAt(plot, window, 1000.1, 10)).toBeUndefined();
  });

  it("zooms about a point, which stays where it is", () => {
    const window = zoomed(plot, whole(plot), 5, 300, 120);
    const far = zoomed(plot, window, 8, 300, 120);
    const place = (w: typeof window) => w.x + 300 / w.k;
    const row = (w: typeof window) => w.y + 120 / rowHeight(plot, w);
    expect(place(window)).toBeCloseTo(600, 6);
    expect(place(far)).toBeCloseTo(600, 6);
    expect(row(far)).toBeCloseTo(12, 6);
  });

  it("makes units square once they are as wide as a layer is high, and no larger than that", () => {
    expect(rowHeight(plot, { x: 0, y: 0, k: 4 })).toBe(10);
    expect(rowHeight(plot, { x: 0, y: 0, k: 25 })).toBe(25);
    expect(zoomed(plot, whole(plot), 1e9, 0, 0).k).toBe(LARGEST_CELL);
  });

  it("never leaves the map", () => {
    const window = zoomed(plot, whole(plot), 10, 0, 0);
    expect(panned(plot, window, 1e6, 1e6)).toMatchObject({ x: 0, y: 0 });
    const end = panned(plot, window, -1e6, -1e6);
    expect(end.x + plot.width / end.k).toBeCloseTo(2000, 6);
    expect(clamped(plot, { x: -5, y: 99, k: 0.001 })).toEqual(whole(plot));
  });

  it("brings a unit into view", () => {
    const window = zoomed(plot, whole(plot), 100, 0, 0);
    const moved = showing(plot, window, 3, 1500);
    const [x, y, w, h] = boxOf(plot, moved, 3, 1500);
    expect(x).toBeGreaterThanOrEqual(0);
    expect(x + w).toBeLessThanOrEqual(plot.width);
    expect(y).toBeGreaterThanOrEqual(0);
    expect(y + h).toBeLessThanOrEqual(plot.height + 1e-9);
  });
});

describe("the lasso", () => {
  it("holds the units whose middle a rectangle holds, as a naive test of every unit says", () => {
    const small = { width: 100, height: 60, units: 40, layers: 6 };
    const window = whole(small);
    const line: [number, number][] = [[11, 12], [71, 12], [71, 47], [11, 47]];
    const naive = new Set<string>();
    for (let layer = 0; layer < 6; layer++) {
      for (let place = 0; place < 40; place++) {
        const [x, y, w, h] = boxOf(small, window, layer, place);
        if (x + w / 2 > 11 && x + w / 2 < 71 && y + h / 2 > 12 && y + h / 2 < 47) naive.add(`${layer}/${place}`);
      }
    }
    const found = inside(small, window, line).flatMap(([layer, from, to]) => Array.from({ length: to - from + 1 }, (_, i) => `${layer}/${from + i}`));
    expect(new Set(found)).toEqual(naive);
    expect(naive.size).toBeGreaterThan(10);
  });

  it("agrees with a ray test for a star that crosses itself", () => {
    const small = { width: 200, height: 200, units: 50, layers: 40 };
    const window = whole(small);
    const line = Array.from({ length: 5 }, (_, i): [number, number] => {
      const angle = (i * 4 * Math.PI) / 5 + 0.123;
      return [100 + 80 * Math.cos(angle), 100 + 80 * Math.sin(angle)];
    });
    const within = (px: number, py: number): boolean => {
      let odd = false;
      for (let i = 0, j = line.length - 1; i < line.length; j = i++) {
        const [xi, yi] = line[i]!;
        const [xj, yj] = line[j]!;
        if (yi > py !== yj > py && px < ((xj - xi) * (py - yi)) / (yj - yi) + xi) odd = !odd;
      }
      return odd;
    };
    const naive: string[] = [];
    for (let layer = 0; layer < 40; layer++) {
      for (let place = 0; place < 50; place++) {
        const [x, y, w, h] = boxOf(small, window, layer, place);
        if (within(x + w / 2, y + h / 2)) naive.push(`${layer}/${place}`);
      }
    }
    const found = inside(small, window, line).flatMap(([layer, from, to]) => Array.from({ length: to - from + 1 }, (_, i) => `${layer}/${from + i}`));
    expect(found.sort()).toEqual(naive.sort());
  });

  it("of a stroke along one layer takes that layer", () => {
    const window = whole(plot);
    const line: [number, number][] = [[100, 101], [400, 101], [400, 103], [100, 103]];
    expect(inside(plot, window, line)).toEqual([[19, 200, 799]]);
  });
});
