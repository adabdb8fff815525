/** What views ask of the study: files of the model, its untrained control, names, choices. */
import { computed } from "@preact/signals";
import type { Masks, Matrices, Model, Summary } from "../contract";
import { fileOf, firstFile, manifest, ready, useFile, type Loaded } from "../data";
import { component, includedTasks, model, selectOption, state, unitsOfRuns } from "../state";
import { Names } from "./tasks";

export const names = computed(() => new Names(manifest.value ?? { tasks: [], domains: [] }));

/** The model's untrained control, if the study has one. */
export const twin = computed<Model | undefined>(() => {
  const own = model.value;
  return own && !own.control ? manifest.value?.models.find((one) => one.of === own.name) : undefined;
});

/** Published results have no baseline: their matrices alone say which tasks they are of. */
export const keeps = computed<(task: string) => boolean>(() => {
  const own = model.value;
  const tasks = new Set(includedTasks.value);
  return own?.matrices_only || !tasks.size ? () => true : (task) => tasks.has(task);
});

export const useMatrices = (own: Model | undefined): Loaded<Matrices> => useFile<Matrices>(fileOf(own, "matrices"));

/** The model that this one is compared with. */
export const compared = computed<Model | undefined>(() => {
  const other = state.compare.value;
  return other && "model" in other ? manifest.value?.models.find((one) => one.name === other.model) : undefined;
});

/** Matrices of the model, or of the average over the study's models, where it has one: which, and how it is chosen. */
export function useMatricesOrAverage(own: Model | undefined): {
  loaded: Loaded<Matrices>;
  average: boolean;
  options: [string, string][];
  choose: (value: string) => void;
} {
  const file = manifest.value?.files?.["average.matrices"];
  const [which, choose] = useOption("matrices.of", file === undefined ? ["model"] : ["model", "average"]);
  const average = which === "average";
  const loaded = useFile<Matrices>(average ? file : fileOf(own, "matrices"));
  const options: [string, string][] = file === undefined ? [] : [["model", own?.label ?? ""], ["average", "average of all models"]];
  return { loaded, average, options, choose };
}

export const useSummary = (): Loaded<Summary> => useFile<Summary>(manifest.value?.files?.summary);

/** Circuits of the chosen size. */
export function useMasks(own: Model | undefined, component: string, sel: string): Loaded<Masks> {
  const main = own?.main_sel === sel;
  return useFile<Masks>(
    main ? firstFile(own, `${component}.masks`) : fileOf(own, `${component}.masks.${sel}`),
  );
}

/** A choice within a view, kept in the address; what is not among the options is the first of them. */
export function useOption(name: string, options: readonly string[]): [string, (value: string) => void] {
  const asked = state.options.value[name];
  const value = asked !== undefined && options.includes(asked) ? asked : (options[0] ?? "");
  return [value, (next) => selectOption(name, next === options[0] ? undefined : next)];
}

/** No task. */
export const NONE: ReadonlySet<string> = new Set();

/** Tasks whose circuit holds the chosen unit, or one of the lasso's units. */
export function useHolding(own: Model | undefined): ReadonlySet<string> {
  const part = component.value;
  const sel = state.sel.value;
  const unit = state.unit.value;
  const lasso = state.lasso.value;
  const wanted = new Set<number>();
  if (part && unit?.site === part.name) wanted.add(unit.layer * part.width + unit.unit);
  if (part && lasso?.site === part.name) for (const flat of unitsOfRuns(lasso.runs)) wanted.add(flat);
  // The circuits are read only where there is something to look for.
  const masks = ready(useMasks(wanted.size ? own : undefined, part?.name ?? "", sel));
  const found = new Set<string>();
  for (const [task, circuit] of Object.entries(masks?.[sel] ?? {})) {
    if (circuit.units.values.some((flat) => wanted.has(flat))) found.add(task);
  }
  return found;
}

/** The size that is chosen, or the first that there is. */
export function nearest(sels: readonly string[], wanted: string, main: string | undefined): string | undefined {
  if (sels.includes(wanted)) return wanted;
  return main !== undefined && sels.includes(main) ? main : sels[0];
}

/** `12 units of 3 tasks`, `1 unit`. */
export const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;
