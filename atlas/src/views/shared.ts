/** Units that circuits share. */
import type { Circuit, Masks } from "../contract";

export interface SharedUnit {
  flat: number;
  layer: number;
  unit: number;
  /** In the first and in the second task: place in the circuit (1 is the best), and score. */
  ranks: [number, number];
  scores: [number, number];
}

/** Units in both circuits, as in the panel: those first whose weaker score is stronger. */
export function sharedUnits(one: Circuit, other: Circuit, width: number): SharedUnit[] {
  const places = new Map<number, number>();
  other.units.values.forEach((flat, place) => places.set(flat, place));
  const found: SharedUnit[] = [];
  one.units.values.forEach((flat, place) => {
    const second = places.get(flat);
    if (second === undefined) return;
    found.push({
      flat,
      layer: Math.floor(flat / width),
      unit: flat % width,
      ranks: [place + 1, second + 1],
      scores: [one.scores.values[place]!, other.scores.values[second]!],
    });
  });
  const least = (row: SharedUnit): number => Math.min(...row.scores.map(Math.abs));
  return found.sort((a, b) => least(b) - least(a) || a.flat - b.flat);
}

export const sharedCount = (one: Circuit, other: Circuit): number => {
  const own = new Set(one.units.values);
  let count = 0;
  for (const flat of other.units.values) if (own.has(flat)) count++;
  return count;
};

/** Groups of circuits by groups: units that are in a circuit of either; the diagonal holds all units of a group. */
export function sharedBetween(groups: Circuit[][]): number[][] {
  const owners = new Map<number, Set<number>>();
  groups.forEach((circuits, group) => {
    for (const circuit of circuits) {
      for (const flat of circuit.units.values) {
        let own = owners.get(flat);
        if (!own) owners.set(flat, (own = new Set()));
        own.add(group);
      }
    }
  });
  const counts = groups.map(() => groups.map(() => 0));
  for (const own of owners.values()) {
    const members = [...own];
    for (const a of members) for (const b of members) counts[a]![b]!++;
  }
  return counts;
}

/** Units that two random sets of these sizes share, on average. */
export const byChance = (one: number, other: number, all: number): number => (all ? (one * other) / all : NaN);

export function circuitOf(masks: Masks | undefined, sel: string, task: string): Circuit | undefined {
  if (!masks || !Object.hasOwn(masks, sel)) return undefined;
  const own = masks[sel]!;
  return Object.hasOwn(own, task) ? own[task] : undefined;
}
