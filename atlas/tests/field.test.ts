import { describe, expect, it } from "vitest";
import type { Circuit, Domains, Manifest } from "../src/contract";
import { coloured, domainColours, endOf, mixingColours, packed, pairColours, placed, placeOf, rankIn, unitAt, type Places } from "../src/cortex/field";
import { levelsOf } from "../src/cortex/raster";
import { rgbOf } from "../src/rgb";

const circuit = (...units: number[]): Circuit => ({
  units: { shape: [units.length], values: Int32Array.from(units) },
  scores: { shape: [units.length], values: Float32Array.from(units, () => 1) },
});
const study = {
  shared: "#9B59B6",
  domains: [{ name: "a", label: "a", colour: "#C0392B" }, { name: "b", label: "b", colour: "#2471A3" }],
  tasks: [{ name: "a/1", label: "1", domain: "a" }, { name: "a/2", label: "2", domain: "a" }, { name: "b/1", label: "3", domain: "b" }],
} as unknown as Manifest;

/** Two layers of five units; the second layer stands backwards. */
const ordered: Places = { layers: 2, units: 5, size: 1, order: Uint16Array.from([0, 1, 2, 3, 4, 4, 3, 2, 1, 0]) };

describe("places", () => {
  it("and units are each other's inverse", () => {
    for (const layer of [0, 1]) for (let unit = 0; unit < 5; unit++) expect(unitAt(ordered, layer, placeOf(ordered, layer, unit))).toBe(unit);
    expect(placeOf(ordered, 1, 4)).toBe(0);
  });

  it("hold the values of their units", () => {
    const values = Float32Array.from([0, 1, 2, 3, 4, 10, 11, 12, 13, 14]);
    expect([...placed(ordered, values)]).toEqual([0, 1, 2, 3, 4, 14, 13, 12, 11, 10]);
  });
});

describe("domains", () => {
  const circuits = { "a/1": circuit(0, 9), "a/2": circuit(0), "b/1": circuit(9, 3) };

  it("colour each unit by the circuits that hold it, and count every unit once", () => {
    const { rgba, keys } = domainColours({ study, places: ordered, domains: undefined, circuits, only: undefined, dark: false });
    expect(keys.map((key) => [key.label, key.n])).toEqual([["a", 1], ["b", 1], ["several domains", 1]]);
    expect(rgba[0]).toBe(packed(rgbOf("#C0392B")));
    expect(rgba[3]).toBe(packed(rgbOf("#2471A3")));
    // Unit 4 of layer 1 stands first there.
    expect(rgba[5]).toBe(packed(rgbOf("#9B59B6")));
    expect(rgba[9]).toBe(packed([240, 241, 244]));
  });

  it("give the faint colour of a unit's own share, from its own index", () => {
    const domains: Domains = {
      dominant: { shape: [2, 5], values: Uint8Array.from([255, 255, 255, 255, 255, 0, 255, 255, 255, 1]) },
      share: { shape: [2, 5], values: new Float32Array(10).fill(1) },
      strength: { shape: [2, 5], values: new Float32Array(10).fill(9) },
      circuits: { shape: [2, 2, 5], values: new Uint16Array(20) },
      how: "", size: 1,
    };
    const { rgba, weight } = domainColours({ study, places: ordered, domains, circuits: {}, only: undefined, dark: false });
    const reds = [...rgba].map((value) => (value & 255) - ((value >> 16) & 255));
    expect(reds[9]).toBeGreaterThan(40);
    expect(reds[5]).toBeLessThan(-40);
    expect([...weight].filter(Boolean).length).toBe(2);
  });

  it("in bins: the colour of the domain with most circuit units in it, exactly counted", () => {
    const places = { layers: 1, units: 9, size: 4 };
    const { rgba, weight, keys } = domainColours({ study, places, domains: undefined, circuits: { "a/1": circuit(0, 1, 8), "b/1": circuit(2, 4) }, only: undefined, dark: false });
    expect(rgba.length).toBe(3);
    expect([...weight]).toEqual([3, 2, 2]);
    expect(rgba[0]).toBe(packed(rgbOf("#C0392B")));
    expect(keys.map((key) => key.n)).toEqual([3, 2, 0]);
  });
});

describe("mixing", () => {
  it("of two says who has a unit, with exact counts", () => {
    const { rgba, keys } = mixingColours({ layers: 1, units: 6, size: 1 }, [{ label: "x", circuit: circuit(0, 1, 2) }, { label: "y", circuit: circuit(2, 3) }], false);
    const [one, other, both] = pairColours(false);
    expect([...rgba].slice(0, 4)).toEqual([one, one, both, other].map((colour) => packed(rgbOf(colour))));
    expect(keys.map((key) => key.n)).toEqual([2, 1, 1]);
  });

  it("of more says how many have it", () => {
    const three = [circuit(0, 1), circuit(1, 2), circuit(1)].map((one, i) => ({ label: String(i), circuit: one }));
    const { values, keys } = mixingColours({ layers: 1, units: 4, size: 1 }, three, false);
    expect([...values!]).toEqual([1, 3, 1, 0]);
    expect(keys.map((key) => [key.label, key.n])).toEqual([["one task", 2], ["3 tasks", 1]]);
  });
});

describe("values", () => {
  it("rank as a sorted copy would rank them", () => {
    const values = Float32Array.from({ length: 200 }, (_, i) => Math.sin(i * 12.9898) * 43758.5453 % 1);
    const sorted = [...values].sort((a, b) => b - a);
    for (const i of [0, 17, 199]) expect(rankIn(values, values[i]!)).toBe(sorted.indexOf(values[i]!) + 1);
  });

  it("of zero are the middle of a signed scale; missing ones are grey; ends are clipped", () => {
    const scale = { kind: "signed" as const, end: 2, label: "" };
    const { rgba, weight } = coloured(Float32Array.from([0, NaN, 5, 2, -5]), scale, false);
    expect(rgba[2]).toBe(rgba[3]);
    expect(weight[1]).toBe(-1);
    const red = rgba[2]! & 255;
    const blue = (rgba[4]! >> 16) & 255;
    expect(red).toBeGreaterThan((rgba[2]! >> 16) & 255);
    expect(blue).toBeGreaterThan(rgba[4]! & 255);
  });

  it("end where one in a thousand goes beyond", () => {
    const values = Float32Array.from({ length: 10_000 }, (_, i) => (i % 2 ? 1 : -1) * i);
    expect(endOf(values)).toBe(10000);
    expect(endOf(new Float32Array(10))).toBe(1);
  });
});

it("coarser copies keep the strongest of the cells that they stand for", () => {
  const cells = 37;
  const weight = Float32Array.from({ length: 2 * cells }, (_, i) => (i * 7919) % 101);
  const rgba = Uint32Array.from(weight);
  for (const level of levelsOf({ layers: 2, cells, rgba, weight }, 4)) {
    for (let layer = 0; layer < 2; layer++) {
      for (let cell = 0; cell < level.cells; cell++) {
        const own = [...weight.subarray(layer * cells + cell * level.pool, layer * cells + Math.min(cells, (cell + 1) * level.pool))];
        expect(level.rgba[layer * level.cells + cell]).toBe(Math.max(...own));
      }
    }
  }
});
