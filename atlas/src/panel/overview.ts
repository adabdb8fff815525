/** What stands out in a model: how separate domains are, which tasks share most. Tests are those of the study. */
import type { Manifest, Matrices, Model, Row } from "../contract";
import { matches, num } from "../views/domains";

export interface Separation {
  domain: string;
  /** Mean containment of pairs within the domain, and of pairs with exactly one task in it. */
  within: number;
  cross: number;
  difference: number;
  ratio: number;
  q: number;
}

/** Rows of statistics/domain_modularity.csv, the most separate domain first: by the difference, which is what is tested. */
export function separations(rows: Row[], model: string, component: string, sel: string): Separation[] {
  return rows
    .filter((row) => matches(row, { model, component, sel, measure: "containment" }))
    .map((row) => ({
      domain: String(row.domain),
      within: num(row.within),
      cross: num(row.cross),
      difference: num(row.difference),
      ratio: num(row.ratio),
      q: num(row.q),
    }))
    .filter((row) => !Number.isNaN(row.difference))
    .sort((a, b) => b.difference - a.difference);
}

export interface Pair {
  a: string;
  b: string;
  share: number;
}

const grid = (file: Matrices, component: string, sel: string): Float32Array | undefined =>
  file.overlap.containment?.[component]?.[sel]?.values;

/** The pairs of tasks of different domains that share most. */
export function sharingPairs(study: Manifest, file: Matrices, component: string, sel: string, most = 5): Pair[] {
  const values = grid(file, component, sel);
  if (!values) return [];
  const n = file.tasks.length;
  const domainOf = new Map(study.tasks.map((task) => [task.name, task.domain]));
  const pairs: Pair[] = [];
  for (let i = 0; i < n; i++) {
    for (let j = i + 1; j < n; j++) {
      const share = (values[i * n + j]! + values[j * n + i]!) / 2;
      const [a, b] = [file.tasks[i]!, file.tasks[j]!];
      if (share > 0 && domainOf.get(a) !== domainOf.get(b)) pairs.push({ a, b, share });
    }
  }
  return pairs.sort((x, y) => y.share - x.share).slice(0, most);
}

/** A model's control, or of a control the model. */
export const twinOf = (study: Manifest, model: Model): Model | undefined =>
  model.control ? study.models.find((one) => one.name === model.of) : study.models.find((one) => one.of === model.name);
