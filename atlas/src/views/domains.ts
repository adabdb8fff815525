/** Which domain is most separate: rows of the tests, beside those of the untrained control. */
import type { Row, Summary } from "../contract";

export interface Mean {
  value: number;
  low: number;
  high: number;
  n: number;
}

export interface Separation {
  domain: string;
  tasks: number;
  within: Mean;
  cross: Mean;
  difference: number;
  p: number;
  q: number;
  /** What the trained model has more of than its untrained control. */
  excess?: { value: number; low: number; high: number; q: number };
}

export interface Of {
  model: string;
  component: string;
  sel: string;
  measure: string;
}

export const num = (value: Row[string] | undefined): number => (typeof value === "number" ? value : NaN);

export const matches = (row: Row, of: Of): boolean =>
  row.model === of.model && row.component === of.component && row.sel === of.sel && row.measure === of.measure;

export function separations(summary: Summary, of: Of): Separation[] {
  return summary.domains
    .filter((row) => matches(row, of))
    .map((row) => separation(row, String(row.domain), num(row.n_domain), summary, of));
}

/** All domains together. */
export function together(summary: Summary, of: Of): Separation | undefined {
  const row = summary.all.find((one) => matches(one, of));
  return row && separation(row, "all", num(row.n), summary, of);
}

function separation(row: Row, domain: string, tasks: number, summary: Summary, of: Of): Separation {
  const mean = (name: string): Mean => ({
    value: num(row[name]),
    low: num(row[`${name}_low`]),
    high: num(row[`${name}_high`]),
    n: num(row[`n_${name}`]),
  });
  const beside = summary.untrained.find((one) => matches(one, of) && one.domain === domain);
  return {
    domain,
    tasks,
    within: mean("within"),
    cross: mean("cross"),
    difference: num(row.difference),
    p: num(row.p),
    q: num(row.q),
    excess: beside && { value: num(beside.excess), low: num(beside.low), high: num(beside.high), q: num(beside.q) },
  };
}

/** The domain with the largest difference of within and across. */
export function mostSeparate(found: readonly Separation[]): Separation | undefined {
  const known = found.filter((one) => Number.isFinite(one.difference));
  return known.length ? known.reduce((best, one) => (one.difference > best.difference ? one : best)) : undefined;
}

/** Measures that were tested, in the order in which they come. */
export const measuresOf = (summary: Summary, model: string): string[] => [
  ...new Set(summary.domains.filter((row) => row.model === model).map((row) => String(row.measure))),
];
