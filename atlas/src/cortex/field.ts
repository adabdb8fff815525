/**
 * What the cortex shows: a colour, a weight and (mostly) a value for every cell, at the places where they are drawn.
 * A cell is a unit, or a bin of several units side by side. Where several cells fall on one pixel, the one of the
 * largest weight is drawn: what is rare and strong does not vanish among its neighbours.
 */
import type { Circuit, Domains, Manifest, Scores } from "../contract";
import { indexOf, MAGNITUDE, SIGNED, SIGNED_DARK, type Rgb } from "../palette";
import { rgbOf } from "../rgb";

export interface Key {
  label: string;
  colour: string;
  mark?: string;
  /** Units. */
  n?: number;
}

export interface Scale {
  kind: "signed" | "magnitude";
  /** The full colour is at this value and beyond. */
  end: number;
  label: string;
  /** Colours go with the square root: two maps of very different sizes are seen on one scale. */
  root?: boolean;
}

/** How places of a layer stand for units. */
export interface Places {
  layers: number;
  /** Units per layer. */
  units: number;
  /** Units per cell; 1 where each has its own. */
  size: number;
  /** [layers, units] place -> unit; absent where units stand by their index. */
  order?: ArrayLike<number>;
}

export interface Field extends Places {
  /** What is shown, for titles and files. */
  title: string;
  /** Of neurons or heads the component, else the site of a localizer or of networks. */
  site: string;
  /** Cells per layer. */
  cells: number;
  /** [layers, cells] at their places, 0xAABBGGRR as canvases of little-endian machines have them. */
  rgba: Uint32Array<ArrayBuffer>;
  weight: Float32Array;
  /** [layers, cells] at their places. */
  values?: Float32Array;
  scale?: Scale;
  keys: Key[];
  /** One sentence below the map: what is shown, of how many, against what. */
  caption: string;
  /** What a cell says of itself, beside its name. */
  says: (layer: number, cell: number) => string;
}

export const packed = ([r, g, b]: Rgb | readonly number[], alpha = 1): number =>
  ((Math.round(255 * alpha) << 24) | (b! << 16) | (g! << 8) | r!) >>> 0;

export const cellsOf = ({ units, size }: Pick<Places, "units" | "size">): number => Math.ceil(units / size);

export const unitAt = (places: Places, layer: number, place: number): number =>
  places.order ? places.order[layer * places.units + place]! : place;

/** The inverse of an order, made once for each. */
const inverses = new WeakMap<object, Int32Array>();

export function placeOf(places: Places, layer: number, unit: number): number {
  const { order, units } = places;
  if (!order) return unit;
  let inverse = inverses.get(order);
  if (!inverse) {
    inverse = new Int32Array(order.length);
    for (let i = 0; i < order.length; i++) inverse[i - (i % units) + order[i]!] = i % units;
    inverses.set(order, inverse);
  }
  return inverse[layer * units + unit]!;
}

/** Values of units at their places; those of bins stand there already. */
export function placed(places: Places, values: Float32Array): Float32Array {
  const { order, units } = places;
  if (!order || places.size > 1) return values;
  const out = new Float32Array(values.length);
  for (let i = 0; i < out.length; i++) out[i] = values[i - (i % units) + order[i]!]!;
  return out;
}

/** Where the colours of signed values end: the magnitude that one cell in a thousand exceeds, in two digits. */
export function endOf(...maps: ArrayLike<number>[]): number {
  const sample: number[] = [];
  for (const values of maps) {
    const step = Math.max(1, Math.floor(values.length / 60_000));
    for (let i = 0; i < values.length; i += step) {
      const size = Math.abs(values[i]!);
      if (Number.isFinite(size)) sample.push(size);
    }
  }
  sample.sort((a, b) => a - b);
  const found = sample[Math.floor(sample.length * 0.999)] || sample.at(-1) || 0;
  return found > 0 ? Number(found.toPrecision(2)) : 1;
}

/** Colours and weights of values: signed ones around zero, magnitudes from zero. */
export function coloured(values: Float32Array, scale: Scale, dark: boolean): Pick<Field, "rgba" | "weight"> {
  const rgba = new Uint32Array(values.length);
  const weight = new Float32Array(values.length);
  const table = scale.kind === "magnitude" ? MAGNITUDE : dark ? SIGNED_DARK : SIGNED;
  const colours = new Uint32Array(256);
  for (let i = 0; i < 256; i++) colours[i] = packed([table[3 * i]!, table[3 * i + 1]!, table[3 * i + 2]!]);
  const missing = packed(dark ? [52, 56, 64] : [214, 217, 222]);
  const signed = scale.kind === "signed";
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isNaN(value)) {
      rgba[i] = missing;
      weight[i] = -1;
      continue;
    }
    const part = value / scale.end;
    const share = scale.root ? Math.sign(part) * Math.sqrt(Math.abs(part)) : part;
    rgba[i] = colours[indexOf(signed ? 0.5 + share / 2 : share)]!;
    weight[i] = signed ? Math.abs(value) : value;
  }
  return { rgba, weight };
}

export const ground = (dark: boolean): Rgb => (dark ? [34, 36, 42] : [240, 241, 244]);

const mix = (from: Rgb, to: Rgb, share: number): Rgb =>
  from.map((value, i) => Math.round(value + (to[i]! - value) * share)) as Rgb;

/** How many units of each domain, of several and of none are in circuits. */
export interface Owners {
  /** [layers, units] index of the domain, `SEVERAL` or `NONE`. */
  owner: Uint8Array;
  counts: Map<number, number>;
}

export const SEVERAL = 254;
export const NONE = 255;

/** Which domain's circuits hold a unit. */
export function ownersOf(circuits: Record<string, Circuit>, study: Manifest, size: number): Owners {
  const owner = new Uint8Array(size).fill(NONE);
  const at = new Map(study.domains.map((domain, i) => [domain.name, i]));
  const domainOf = new Map(study.tasks.map((task) => [task.name, at.get(task.domain) ?? NONE]));
  for (const [task, circuit] of Object.entries(circuits)) {
    const domain = domainOf.get(task) ?? NONE;
    for (const unit of circuit.units.values) {
      const now = owner[unit]!;
      owner[unit] = now === NONE || now === domain ? domain : SEVERAL;
    }
  }
  const counts = new Map<number, number>();
  for (const one of owner) counts.set(one, (counts.get(one) ?? 0) + 1);
  return { owner, counts };
}

export interface DomainInput {
  study: Manifest;
  places: Places;
  /** Of the places: `domain_order` where bins stand in the domains' order. */
  domains: Domains | undefined;
  /** Of the selection, by task; at the units' indices. */
  circuits: Record<string, Circuit>;
  /** Only this domain in colour. */
  only: string | undefined;
  dark: boolean;
}

/**
 * Units of circuits in full colour; the others faintly in that of the domain which has the largest part of their
 * attribution, the fainter the weaker they are and the more evenly their attribution is spread.
 */
export function domainColours({ study, places, domains, circuits, only, dark }: DomainInput): Pick<Field, "rgba" | "weight" | "keys"> {
  const { layers, units, size } = places;
  const cells = cellsOf(places);
  const base = ground(dark);
  const colours = [...study.domains.map((domain) => rgbOf(domain.colour))];
  const shared = rgbOf(study.shared);
  const wanted = study.domains.findIndex((domain) => domain.name === only);
  const full = (owner: number): number =>
    packed(owner === SEVERAL ? shared : wanted >= 0 && owner !== wanted ? mix(base, colours[owner]!, 0.18) : colours[owner]!);
  const rgba = new Uint32Array(layers * cells).fill(packed(base));
  const weight = new Float32Array(layers * cells);
  const even = 1 / Math.max(1, study.domains.length);
  if (domains) {
    const { dominant, share, strength } = domains;
    // A unit's strength is at its index, a bin's at its place already.
    const source = (i: number): number =>
      places.order && size === 1 ? i - (i % units) + places.order[i]! : i;
    for (let i = 0; i < rgba.length; i++) {
      const from = source(i);
      const domain = dominant.values[from]!;
      if (domain >= colours.length) continue;
      const own = (share.values[from]! - even) / (1 - even);
      const strong = Math.min(1, strength.values[from]! / 4);
      const faint = (wanted >= 0 && domain !== wanted ? 0.25 : 1) * 0.55 * strong * (0.25 + 0.75 * own);
      rgba[i] = packed(mix(base, colours[domain]!, faint));
      weight[i] = faint;
    }
  }
  const { owner, counts } = ownersOf(circuits, study, layers * units);
  if (size === 1) {
    for (let i = 0; i < owner.length; i++) {
      const one = owner[places.order ? i - (i % units) + places.order[i]! : i]!;
      if (one === NONE) continue;
      rgba[i] = full(one);
      weight[i] = wanted >= 0 && one !== wanted && one !== SEVERAL ? 1 : 2;
    }
  } else {
    // A bin has the colour of the domain with most circuit units in it; the more it has, the fuller.
    const held = new Uint16Array(rgba.length * (colours.length + 1));
    const kinds = colours.length + 1;
    for (let flatUnit = 0; flatUnit < owner.length; flatUnit++) {
      const one = owner[flatUnit]!;
      if (one === NONE) continue;
      const layer = Math.floor(flatUnit / units);
      const place = placeOf(places, layer, flatUnit % units);
      held[(layer * cells + Math.floor(place / size)) * kinds + (one === SEVERAL ? kinds - 1 : one)]!++;
    }
    // Bins of more units than one in ten of those with any are all in full colour.
    const fullest = mostOf(held, kinds);
    for (let i = 0; i < rgba.length; i++) {
      let best = -1;
      let most = 0;
      for (let kind = 0; kind < kinds; kind++) {
        const own = held[i * kinds + kind]!;
        if (own > most) [best, most] = [kind, own];
      }
      if (best < 0) continue;
      const owner = best === kinds - 1 ? SEVERAL : best;
      const colour = owner === SEVERAL ? shared : colours[owner]!;
      const dim = wanted >= 0 && owner !== SEVERAL && owner !== wanted ? 0.2 : 1;
      rgba[i] = packed(mix(base, colour, dim * (0.25 + 0.75 * Math.min(1, most / fullest))));
      weight[i] = dim * (1 + most);
    }
  }
  const keys: Key[] = study.domains.map((domain, i) => ({ label: domain.label, colour: domain.colour, n: counts.get(i) ?? 0 }));
  keys.push({ label: "several domains", colour: study.shared, n: counts.get(SEVERAL) ?? 0 });
  return { rgba, weight, keys };
}

/** The number of circuit units that nine in ten bins with any do not exceed. */
function mostOf(held: Uint16Array, kinds: number): number {
  const tally: number[] = [];
  let bins = 0;
  for (let i = 0; i < held.length; i += kinds) {
    let most = 0;
    for (let kind = 0; kind < kinds; kind++) most = Math.max(most, held[i + kind]!);
    if (!most) continue;
    bins++;
    tally[most] = (tally[most] ?? 0) + 1;
  }
  let sum = 0;
  for (let most = 1; most < tally.length; most++) {
    sum += tally[most] ?? 0;
    if (sum >= 0.9 * bins) return most;
  }
  return 1;
}

/** Colours of one task only, of the other only, and of both: to no eye are any two of them alike. */
export const pairColours = (dark: boolean): [string, string, string] =>
  dark ? ["#3D9BE0", "#E69F00", "#FFFFFF"] : ["#0072B2", "#E69F00", "#111111"];

/** Which of the chosen tasks' circuits hold a unit: of two, either or both; of more, how many. */
export function mixingColours(
  places: Places,
  circuits: { label: string; circuit: Circuit }[],
  dark: boolean,
): Pick<Field, "rgba" | "weight" | "keys" | "values"> {
  const { layers, units, size } = places;
  const cells = cellsOf(places);
  const bits = new Map<number, number>();
  circuits.forEach(({ circuit }, i) => {
    for (const unit of circuit.units.values) bits.set(unit, (bits.get(unit) ?? 0) | (1 << Math.min(i, 30)));
  });
  const rgba = new Uint32Array(layers * cells).fill(packed(ground(dark)));
  const weight = new Float32Array(layers * cells);
  const values = new Float32Array(layers * cells);
  const pair = circuits.length === 2;
  const [onlyOne, onlyOther, both] = pairColours(dark);
  const tally = new Map<number, number>();
  for (const [unit, mask] of bits) {
    const many = mask.toString(2).replaceAll("0", "").length;
    const kind = pair ? mask - 1 : many;
    tally.set(kind, (tally.get(kind) ?? 0) + 1);
    const layer = Math.floor(unit / units);
    const i = layer * cells + Math.floor(placeOf(places, layer, unit % units) / size);
    if (many < weight[i]!) continue;
    weight[i] = many;
    values[i] = many;
    rgba[i] = packed(pair ? rgbOf([onlyOne, onlyOther, both][kind]!) : manyColour(many, circuits.length));
  }
  const label = (i: number): string => circuits[i]!.label;
  const keys: Key[] = pair
    ? [
        { label: `only ${label(0)}`, colour: onlyOne, n: tally.get(0) ?? 0 },
        { label: `only ${label(1)}`, colour: onlyOther, n: tally.get(1) ?? 0 },
        { label: "both", colour: both, n: tally.get(2) ?? 0 },
      ]
    : [...tally]
        .sort(([a], [b]) => a - b)
        .map(([many, n]) => {
          const [r, g, b] = manyColour(many, circuits.length);
          return { label: many === 1 ? "one task" : `${many} tasks`, colour: `rgb(${r}, ${g}, ${b})`, n };
        });
  return { rgba, weight, keys, values };
}

function manyColour(many: number, all: number): Rgb {
  const i = 3 * indexOf(all <= 1 ? 0.5 : 0.12 + (0.78 * (many - 1)) / (all - 1));
  return [MAGNITUDE[i]!, MAGNITUDE[i + 1]!, MAGNITUDE[i + 2]!];
}

/** A task's values at their places, from units or from bins. */
export function scoresAt(scores: Scores, places: Places): { values: Float32Array; size: number } | undefined {
  if (scores.scores) return { values: placed({ ...places, size: 1 }, scores.scores.values), size: 1 };
  const bins = places.order ? scores.domain_bins : scores.bins;
  return bins ? { values: bins.max.values, size: bins.size } : undefined;
}

/** 1 = the largest; counted, since a sorted copy of two million values would be held for nothing else. */
export function rankIn(values: Float32Array, value: number): number {
  let above = 0;
  for (let i = 0; i < values.length; i++) if (values[i]! > value) above++;
  return above + 1;
}
