/** Units that circuits share. */
import type { Circuit, Masks } from "../contract";

export interface SharedUnit {
  flat: number;
  layer: number;
  unit: number;
  /** In each of the circuits: place in it (1 is the best), and score. */
  ranks: number[];
  scores: number[];
}

/** Units that all circuits hold, those first whose weakest score is strongest; none where one is not there. */
export function sharedUnits(circuits: readonly (Circuit | undefined)[], width: number): SharedUnit[] {
  const held = new Map<number, SharedUnit>();
  circuits.forEach((circuit, i) => {
    circuit?.units.values.forEach((flat, place) => {
      const row = held.get(flat) ?? { flat, layer: Math.floor(flat / width), unit: flat % width, ranks: [], scores: [] };
      if (row.scores.length !== i) return;
      row.ranks.push(place + 1);
      row.scores.push(circuit.scores.values[place]!);
      held.set(flat, row);
    });
  });
  const least = (row: SharedUnit): number => Math.min(...row.scores.map(Math.abs));
  return [...held.values()].filter((row) => row.scores.length === circuits.length).sort((a, b) => least(b) - least(a) || a.flat - b.flat);
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

export function circuitOf(masks: Masks | undefined, sel: string, task: string): Circuit | undefined {
  if (!masks || !Object.hasOwn(masks, sel)) return undefined;
  const own = masks[sel]!;
  return Object.hasOwn(own, task) ? own[task] : undefined;
}
