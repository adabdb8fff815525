/** What a unit's page shows, from the files of its layer, its circuits, localizers and networks. */
import type { LayerScores, Localizer, Manifest, Masks, Model, Networks } from "../contract";

export interface TaskRow {
  task: string;
  label: string;
  domain: string;
  score: number;
  rank: number;
  nItems: number | null;
  /** Selections whose circuit of this task holds the unit, smallest first. */
  masks: string[];
}

/** A unit's attribution in every task, largest first. */
export function taskRows(study: Manifest, model: Model, layer: LayerScores, masks: Masks, at: { layer: number; unit: number }): TaskRow[] {
  const width = layer.scores.shape[1]!;
  const flat = at.layer * width + at.unit;
  const rows = layer.tasks.map((task, i): TaskRow => {
    const known = study.tasks.find((one) => one.name === task);
    const holds = model.sels.filter((sel) => Object.hasOwn(masks, sel) && Object.hasOwn(masks[sel]!, task) && masks[sel]![task]!.units.values.includes(flat));
    return {
      task,
      label: known?.label ?? task,
      domain: known?.domain ?? "",
      score: layer.scores.values[i * width + at.unit]!,
      rank: layer.ranks.values[i * width + at.unit]!,
      nItems: Object.hasOwn(model.tasks, task) ? model.tasks[task]!.n_items : null,
      masks: holds,
    };
  });
  return rows.sort((a, b) => b.score - a.score);
}

export interface LocalizerRow {
  label: string;
  t: number;
  rank: number;
  of: number;
  selections: string[];
}

export function localizerRow(label: string, file: Localizer, at: { layer: number; unit: number }): LocalizerRow {
  const width = file.t.shape[1]!;
  const flat = at.layer * width + at.unit;
  const t = file.t.values[flat]!;
  let above = 0;
  for (const other of file.t.values) if (other > t) above++;
  const selections = Object.entries(file.selections)
    .filter(([, units]) => units.values.includes(flat))
    .map(([name]) => name);
  return { label, t, rank: above + 1, of: file.t.values.length, selections };
}

export interface NetworkRow {
  network: number;
  z: number;
  member: boolean;
}

/** A unit's z in every network of a dataset, largest magnitude first. */
export function networkRows(file: Networks, at: { layer: number; unit: number }): NetworkRow[] {
  const [networks, layers, width] = file.maps.shape as [number, number, number];
  const flat = at.layer * width + at.unit;
  const rows = Array.from({ length: networks }, (_, network) => ({
    network,
    z: file.maps.values[network * layers * width + flat]!,
    member: file.members[network]?.values.includes(flat) ?? false,
  }));
  return rows.sort((a, b) => Math.abs(b.z) - Math.abs(a.z));
}
