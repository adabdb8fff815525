/** What a task's circuit does alone, beside other orders of units. */
import type { Row } from "../contract";
import type { Point } from "./doses";

export interface Rival {
  order: string;
  group: string;
  control: boolean;
  points: Point[];
  /** Area under the curve, with its interval. */
  area?: { value: number; low: number; high: number };
}

const num = (value: Row[string] | undefined): number => (typeof value === "number" ? value : NaN);

const RANKS = ["own", "same_domain", "other_domains", "layer_matched", "activation_matched", "random"];
const CONTROLS = new Set(RANKS.slice(3));

export const tasksOf = (rows: readonly Row[]): string[] => [...new Set(rows.map((row) => String(row.task)))];

/** All orders on a task, its own first; of several signs and kinds the first. */
export function rivals(curves: readonly Row[], areas: readonly Row[], task: string): Rival[] {
  const own = curves.filter((row) => row.task === task);
  const sign = own.find((row) => row.sign)?.sign;
  const kind = own[0]?.kind;
  const kept = (row: Row): boolean => row.task === task && row.kind === kind && (!row.sign || row.sign === sign);
  const lines = new Map<string, Rival>();
  for (const row of own.filter(kept)) {
    const key = `${row.order}|${row.trial}`;
    let line = lines.get(key);
    if (!line) {
      const group = String(row.group);
      const area = areas.find((one) => kept(one) && one.order === row.order && one.trial === row.trial);
      line = {
        order: String(row.order),
        group,
        control: CONTROLS.has(group),
        points: [],
        area: area && { value: num(area.cpr), low: num(area.cpr_low), high: num(area.cpr_high) },
      };
      lines.set(key, line);
    }
    const value = num(row.faithfulness);
    line.points.push({ x: num(row.fraction), value, low: num(row.low), high: num(row.high), n: num(row.n) });
  }
  for (const line of lines.values()) line.points.sort((a, b) => a.x - b.x);
  return [...lines.values()].sort((a, b) => RANKS.indexOf(a.group) - RANKS.indexOf(b.group));
}

/** What the axis shows: an order that hinders may go far, and would flatten all others. */
export function faithfulnessRange(lines: readonly Rival[]): [number, number] {
  let [low, high] = [-0.05, 1.1];
  for (const line of lines) {
    for (const point of line.points) {
      const ends = line.group === "own" ? [point.value, point.low, point.high] : [point.value];
      for (const end of ends) {
        if (end < low) low = end;
        if (end > high) high = end;
      }
    }
  }
  return [Math.max(-0.5, low), Math.min(2, high)];
}
