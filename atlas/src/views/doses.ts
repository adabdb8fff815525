/** Dose and response: what is lost with more units silenced. */
import type { Row } from "../contract";

export interface Point {
  x: number;
  value: number;
  low: number;
  high: number;
  n: number;
}

export interface Line {
  name: string;
  label: string;
  control: boolean;
  points: Point[];
}

export interface DoseChart {
  /** What can be chosen, as the option's value has it. */
  id: string;
  label: string;
  /** What is lost or measured, and what the interval is. */
  measure: string;
  interval: string;
  /** Of values that span powers of ten. */
  log: boolean;
  /** The intact model, where the values are not differences to it. */
  intact?: Point;
  lines: Line[];
}

/** In this order, as Python's figures have them. */
export const GROUPS: Record<string, { label: string; control: boolean }> = {
  own: { label: "its own circuit", control: false },
  same_domain: { label: "circuits of its domain", control: false },
  other_domains: { label: "circuits of other domains", control: false },
  layer_matched: { label: "random units, same layers", control: true },
  activation_matched: { label: "random units, as active", control: true },
  random: { label: "random units, any layer", control: true },
};

const num = (value: Row[string] | undefined): number => (typeof value === "number" ? value : NaN);

/** Ablation of circuits, of a task or of a domain (or `all`): accuracy lost, mean ± s.e.m. of cells. */
export function circuitDoses(
  rows: readonly Row[],
  about: { component: string; kind?: string; sign: string; task?: string; domain: string },
): Line[] {
  const own = rows.filter(
    (row) =>
      row.component === about.component &&
      row.sign === about.sign &&
      (about.kind === undefined || row.kind === about.kind) &&
      (about.task ? row.task === about.task : row.task === null && row.domain === about.domain),
  );
  return Object.entries(GROUPS).flatMap(([name, { label, control }]) => {
    const points = own
      .filter((row) => row.group === name)
      .map((row) => {
        const [value, sem] = [num(row.mean), num(row.sem)];
        return { x: num(row.percent), value, low: value - sem, high: value + sem, n: num(row.n) };
      })
      .sort((a, b) => a.x - b.x);
    return points.length ? [{ name, label, control, points }] : [];
  });
}

/** What a localizer's lesions can be seen on: perplexity first, then domains, then tasks. */
export function localizerPanels(rows: readonly Row[]): { what: string; task: string | null; measure: string }[] {
  const found = new Map<string, { what: string; task: string | null; measure: string }>();
  for (const row of rows) {
    const task = typeof row.task === "string" ? row.task : null;
    const what = String(row.what);
    found.set(`${task}|${what}|${row.measure}`, { what, task, measure: String(row.measure) });
  }
  return [...found.values()];
}

/** One localizer: its own units and as many random ones, each draw a line of its own. */
export function localizerDoses(
  rows: readonly Row[],
  panel: { what: string; task: string | null },
): { intact?: Point; lines: Line[] } {
  const own = rows.filter((row) => row.what === panel.what && (row.task ?? null) === panel.task);
  const point = (row: Row): Point => ({
    x: num(row.percentage),
    value: num(row.value),
    low: num(row.low),
    high: num(row.high),
    n: num(row.n),
  });
  const lines = new Map<string, Line>();
  for (const row of own) {
    if (row.condition === "intact") continue;
    const control = row.condition === "random";
    const name = control ? `random ${row.seed ?? ""}`.trim() : "lesion";
    const label = control ? "as many random units" : "the localizer's units";
    let line = lines.get(name);
    if (!line) lines.set(name, (line = { name, label, control, points: [] }));
    line.points.push(point(row));
  }
  for (const line of lines.values()) line.points.sort((a, b) => a.x - b.x);
  const intact = own.find((row) => row.condition === "intact");
  return { intact: intact && { ...point(intact), x: 0 }, lines: [...lines.values()] };
}

/**
 * Of one size there is no dose: lines become groups side by side. Draws of random units, which have one name, are one
 * group.
 */
export const groupsOf = (lines: readonly Line[]): string[] => [...new Set(lines.map((line) => line.label))];

/** Words of a name under each other, each line as long as it may be. */
export function wrapped(text: string, most: number, widthOf: (text: string) => number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && widthOf(longer) <= most) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}
