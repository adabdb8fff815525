/** How far a task's circuit comes back on other items. */
import type { Row, Thresholds } from "../contract";

export interface Returning {
  task: string;
  n_items: number;
  n_circuit: number;
  /** Jaccard of circuits of two halves of the items (mean over splits). */
  split: number;
  /** Jaccard of circuits of resampled items: mean, and the range of 95 % of the pairs. */
  bootstrap: number;
  low: number;
  high: number;
  n_bootstraps: number;
  /** Share of units that come back: the largest overlap that another circuit can have with this one. */
  ceiling: number;
  stable: boolean | undefined;
}

const num = (value: Row[string] | undefined): number => (typeof value === "number" ? value : NaN);

export function returning(
  reliability: Record<string, Row> | undefined,
  stability: Record<string, Row> | undefined,
  tasks: readonly string[],
): Returning[] {
  return tasks.flatMap((task) => {
    const halves = reliability && Object.hasOwn(reliability, task) ? reliability[task]! : undefined;
    const again = stability && Object.hasOwn(stability, task) ? stability[task]! : undefined;
    if (!halves && !again) return [];
    const stable = again?.stable;
    return [
      {
        task,
        n_items: num(halves?.n_items ?? again?.n_items),
        n_circuit: num(halves?.n_circuit ?? again?.n_circuit),
        split: num(halves?.split_jaccard),
        bootstrap: num(again?.jaccard),
        low: num(again?.low),
        high: num(again?.high),
        n_bootstraps: num(again?.n_bootstraps),
        ceiling: num(halves?.ceiling),
        stable: typeof stable === "number" ? stable > 0 : typeof stable === "boolean" ? stable : undefined,
      },
    ];
  });
}

/** `reliable`, `moderately reliable` or `unreliable`: by the share of units that come back. */
export function verdict(one: Returning, at: Thresholds | undefined): string {
  if (!at || Number.isNaN(one.ceiling)) return "unknown";
  if (one.ceiling >= at.reliable) return "reliable";
  return one.ceiling >= at.moderate ? "moderately reliable" : "unreliable";
}
