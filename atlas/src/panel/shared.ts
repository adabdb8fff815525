/** Units that the circuits of all chosen tasks hold, those first whose weakest score is strongest. */
import type { Circuit } from "../contract";

export interface SharedUnit {
  flat: number;
  /** In the order of the tasks. */
  scores: number[];
}

export function sharedUnits(tasks: string[], circuits: Record<string, Circuit>): SharedUnit[] {
  const held = new Map<number, number[]>();
  tasks.forEach((task, i) => {
    const circuit = Object.hasOwn(circuits, task) ? circuits[task] : undefined;
    circuit?.units.values.forEach((flat, place) => {
      const scores = held.get(flat) ?? [];
      if (scores.length === i) held.set(flat, [...scores, circuit.scores.values[place]!]);
    });
  });
  const least = (row: SharedUnit): number => Math.min(...row.scores.map(Math.abs));
  return [...held]
    .filter(([, scores]) => scores.length === tasks.length)
    .map(([flat, scores]) => ({ flat, scores }))
    .sort((a, b) => least(b) - least(a) || a.flat - b.flat);
}
