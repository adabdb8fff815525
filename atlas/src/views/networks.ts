/** Networks, from the most to the least harmful. */
import type { Net, Nets, Row } from "../contract";

export type { Net, Nets };

/** The factor that perplexity grows by; NaN where it was not measured. */
export const harm = (net: Net): number => (net.silenced ? net.silenced.value / net.silenced.intact : NaN);

export const SORTS = {
  harm: "most harmful first",
  size: "largest first",
  number: "by number",
} as const;
export type Sort = keyof typeof SORTS;

export function sorted(rows: readonly Net[], by: Sort): Net[] {
  const last = (value: number): number => (Number.isNaN(value) ? -Infinity : value);
  const key = { harm: (net: Net) => last(harm(net)), size: (net: Net) => net.n_units, number: () => 0 }[by];
  return [...rows].sort((a, b) => key(b) - key(a) || a.dataset.localeCompare(b.dataset) || a.network - b.network);
}

/** Units of a network in each layer. */
export function layersOf(nets: Nets, dataset: string, network: number): number[] {
  const grid = Object.hasOwn(nets.layers, dataset) ? nets.layers[dataset] : undefined;
  if (!grid || network >= grid.shape[0]!) return [];
  const count = grid.shape[1]!;
  return [...grid.values.subarray(network * count, (network + 1) * count)];
}

export interface Driver {
  text: number;
  before: string;
  token: string;
  after: string;
  course: number;
}

const text = (value: Row[string] | undefined): string => (value === null || value === undefined ? "" : String(value));

/** Places in texts where a network's course is strongest, strongest first. */
export function driversOf(rows: readonly Row[], dataset: string, network: number): Driver[] {
  return rows
    .filter((row) => row.dataset === dataset && row.network === `network-${network}`)
    .map((row) => ({
      text: Number(row.text),
      before: text(row.before),
      token: text(row.token),
      after: text(row.after),
      course: typeof row.course === "number" ? row.course : NaN,
    }))
    .sort((a, b) => Math.abs(b.course) - Math.abs(a.course));
}

/** On which side of its mean the listed places lie: the network's units are high there, or low. */
export const sideOf = (drivers: readonly Pick<Driver, "course">[]): "high" | "low" => (drivers[0] && drivers[0].course < 0 ? "low" : "high");

/** The tokens at which it is strongest, each once, with how often it is among the strongest places. */
export function tokensOf(drivers: readonly Driver[], most = 5): [string, number][] {
  const counts = new Map<string, number>();
  for (const { token } of drivers) {
    const shown = token.trim() || "␣";
    counts.set(shown, (counts.get(shown) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1]).slice(0, most);
}
