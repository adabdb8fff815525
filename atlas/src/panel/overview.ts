/** What stands out in a model, from its matrices: how separate domains are, which tasks share most. */
import type { Manifest, Matrices, Model } from "../contract";

export interface Separation {
  domain: string;
  /** Mean containment of pairs within the domain, and of pairs with exactly one task in it; in both directions. */
  within: number;
  cross: number;
  pairs: number;
}

const grid = (file: Matrices, component: string, sel: string): Float32Array | undefined =>
  file.overlap.containment?.[component]?.[sel]?.values;

/** Domains with at least two tasks, the most separate first: by the difference, as the study's test does. */
export function separations(study: Manifest, file: Matrices, component: string, sel: string): Separation[] {
  const values = grid(file, component, sel);
  if (!values) return [];
  const n = file.tasks.length;
  const domainOf = new Map(study.tasks.map((task) => [task.name, task.domain]));
  const sums = new Map(study.domains.map((domain) => [domain.name, { within: 0, nWithin: 0, cross: 0, nCross: 0 }]));
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const value = values[i * n + j]!;
      if (i === j || Number.isNaN(value)) continue;
      const [a, b] = [domainOf.get(file.tasks[i]!), domainOf.get(file.tasks[j]!)];
      for (const [name, sum] of sums) {
        if (a === name && b === name) {
          sum.within += value;
          sum.nWithin++;
        } else if ((a === name) !== (b === name)) {
          sum.cross += value;
          sum.nCross++;
        }
      }
    }
  }
  return [...sums]
    .filter(([, sum]) => sum.nWithin > 0 && sum.nCross > 0)
    .map(([domain, sum]) => ({ domain, within: sum.within / sum.nWithin, cross: sum.cross / sum.nCross, pairs: sum.nWithin / 2 }))
    .sort((a, b) => b.within - b.cross - (a.within - a.cross));
}

export interface Pair {
  a: string;
  b: string;
  share: number;
}

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
