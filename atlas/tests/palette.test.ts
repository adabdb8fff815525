/** Colours that mean different things are told apart by eyes that see no red, no green or no blue. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ground, pairColours } from "../src/cortex/field";
import { MAGNITUDE, magnitudeColour, markOf, SIGNED, SIGNED_DARK, signedColour, textOn } from "../src/palette";
import { rgbOf, type Rgb } from "../src/rgb";

const linear = (value: number): number => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);

/** Machado, Oliveira & Fernandes 2009, severity 1, on linear RGB. */
const EYES: Record<string, number[][]> = {
  all: [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
  tritanopia: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
};

function lab(colour: Rgb, eye: string): [number, number, number] {
  const rgb = colour.map((value) => linear(value / 255));
  const [r, g, b] = EYES[eye]!.map((row) => Math.max(0, Math.min(1, row[0]! * rgb[0]! + row[1]! * rgb[1]! + row[2]! * rgb[2]!))) as Rgb;
  const f = (t: number): number => (t > 216 / 24389 ? Math.cbrt(t) : (24389 / 27) * t / 116 + 16 / 116);
  const x = f((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047);
  const y = f(0.2126729 * r + 0.7151522 * g + 0.072175 * b);
  const z = f((0.0193339 * r + 0.119192 * g + 0.9503041 * b) / 1.08883);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

const distance = (a: Rgb, b: Rgb, eye: string): number => {
  const [p, q] = [lab(a, eye), lab(b, eye)];
  return Math.hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]);
};

const entry = (table: Uint8ClampedArray, share: number): Rgb => {
  const i = 3 * Math.min(255, Math.floor(share * 256));
  return [table[i]!, table[i + 1]!, table[i + 2]!];
};

describe.each(Object.keys(EYES))("for %s", (eye) => {
  it.each([["light", SIGNED, [255, 255, 255]], ["dark", SIGNED_DARK, [16, 18, 22]]] as [string, Uint8ClampedArray, Rgb][])(
    "a %s signed scale tells its signs and its sizes apart",
    (_, table) => {
      const [low, some, zero, more, high] = [0.02, 0.25, 0.5, 0.75, 0.98].map((share) => entry(table, share)) as [Rgb, Rgb, Rgb, Rgb, Rgb];
      expect(distance(low, high, eye)).toBeGreaterThan(25);
      expect(distance(some, more, eye)).toBeGreaterThan(15);
      for (const end of [low, high]) expect(distance(end, zero, eye)).toBeGreaterThan(30);
    },
  );

  it("the two tasks of a pair, and both together, differ on both pages", () => {
    for (const dark of [false, true]) {
      const colours = [...pairColours(dark).map(rgbOf), ground(dark)];
      for (let i = 0; i < 4; i++) for (let j = 0; j < i; j++) expect(distance(colours[i]!, colours[j]!, eye)).toBeGreaterThan(25);
    }
  });

  it("magnitudes grow lighter throughout", () => {
    let last = -1;
    for (let share = 0; share < 1; share += 0.1) {
      const [light] = lab(entry(MAGNITUDE, share), eye);
      expect(light).toBeGreaterThan(last);
      last = light;
    }
  });
});

describe("domains", () => {
  const names = ["language", "formal", "physical", "social"];
  const colours = Object.fromEntries(
    names.map((name) => {
      const text = readFileSync(new URL(`../../data/${name}/domain.yaml`, import.meta.url), "utf8");
      return [name, rgbOf(/#[0-9a-f]{6}/i.exec(text)![0])];
    }),
  );

  it("have a mark of their own beside the colour, since not all eyes tell language and social apart", () => {
    const marks = [...names, "music", "time"].map((name, i) => markOf(name, i));
    expect(new Set(marks).size).toBe(marks.length);
  });

  it("are told apart by colour alone, or by their marks where an eye cannot", () => {
    for (const eye of Object.keys(EYES)) {
      for (const a of names) {
        for (const b of names) {
          if (a >= b || distance(colours[a]!, colours[b]!, eye) > 12) continue;
          expect([eye, a, b, markOf(a, 0) !== markOf(b, 1)]).toEqual([eye, a, b, true]);
        }
      }
    }
  });
});

describe("colours of values", () => {
  it("are those of the scale at its ends and in its middle", () => {
    expect(rgbOf(signedColour(-9, 1))).toEqual(entry(SIGNED, 0));
    expect(rgbOf(signedColour(9, 1))).toEqual(entry(SIGNED, 0.999));
    expect(rgbOf(magnitudeColour(0, 1))).toEqual(entry(MAGNITUDE, 0));
  });

  it("are read on black or white, whichever has more contrast", () => {
    expect(textOn("#ffff00")).toBe("#000000");
    expect(textOn("#00008b")).toBe("#ffffff");
  });
});
