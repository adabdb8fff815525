/**
 * One selection, shared by all views and written into the address: a link reproduces what is seen.
 * Views read the signals and change them by the functions below, never by themselves.
 */
import { batch, computed, effect, signal, type Signal } from "@preact/signals";
import type { Component, Manifest, Model } from "./contract";
import { manifest } from "./data";

export type Colour =
  | { by: "domain" }
  | { by: "task"; task: string }
  | { by: "tasks" }
  | { by: "localizer"; localizer: string }
  | { by: "network"; dataset: string; network: number }
  | { by: "silencing" }
  | { by: "difference"; task: string };

export type OrderName = "index" | "domain";

/** A unit of a site: `neurons` and `heads` are sites of circuits, others are those of localizers and networks. */
export interface UnitPlace {
  site: string;
  layer: number;
  unit: number;
}

export interface NetworkPlace {
  dataset: string;
  network: number;
}

/** Sorted runs of flat units, both ends included. */
export type Runs = [number, number][];

export interface Lasso {
  site: string;
  runs: Runs;
}

/** An estimator is one of `Component.tried`, or the study's own by its name. */
export type Other = { model: string } | { estimator: string };

/** Whose attributions: a model's, by the study's estimator, or by one that it tried. */
export interface Source {
  model: Model;
  estimator: string | undefined;
}

/** Which part of the cortex is seen: first unit, first layer, pixels a unit; absent: all of it. */
export interface Window {
  x: number;
  y: number;
  k: number;
}

export const state = {
  model: signal(""),
  component: signal("neurons"),
  /** One that was tried, whose attributions the map shows; absent: the study's own. */
  estimator: signal<string | undefined>(undefined),
  colour: signal<Colour>({ by: "domain" }),
  order: signal<OrderName>("index"),
  sel: signal(""),
  /** None, one, or several; the first two are the pair. */
  tasks: signal<string[]>([]),
  domain: signal<string | undefined>(undefined),
  layer: signal<number | undefined>(undefined),
  unit: signal<UnitPlace | undefined>(undefined),
  network: signal<NetworkPlace | undefined>(undefined),
  lasso: signal<Lasso | undefined>(undefined),
  compare: signal<Other | undefined>(undefined),
  window: signal<Window | undefined>(undefined),
  /** The view that is shown large, by its id. */
  view: signal<string | undefined>(undefined),
  /** What is chosen in a view alone: `overlap.measure` -> `jaccard`; absent: as it starts. */
  options: signal<Record<string, string>>({}),
} satisfies Record<string, Signal<unknown>>;

export const model = computed<Model | undefined>(() =>
  manifest.value?.models.find((one) => one.name === state.model.value),
);

export const component = computed<Component | undefined>(() =>
  model.value?.components.find((one) => one.name === state.component.value),
);

/** What the map shows, and what it is compared with. */
export const source = computed<Source | undefined>(() => model.value && { model: model.value, estimator: state.estimator.value });
export const otherSource = computed<Source | undefined>(() => {
  const own = model.value;
  const other = state.compare.value;
  if (!own || !other) return undefined;
  if ("estimator" in other) return { model: own, estimator: other.estimator === component.value?.estimator ? undefined : other.estimator };
  const found = manifest.value?.models.find((one) => one.name === other.model);
  return found && { model: found, estimator: undefined };
});

/** Tasks that the model is mapped on, in the manifest's order. */
export const includedTasks = computed<string[]>(() => {
  const own = model.value;
  if (!own) return [];
  return (manifest.value?.tasks ?? [])
    .map((task) => task.name)
    .filter((name) => Object.hasOwn(own.tasks, name) && own.tasks[name]!.included);
});

export const selectModel = (name: string): void =>
  batch(() => {
    if (state.model.peek() === name) return;
    state.model.value = name;
    settle();
  });

export const selectComponent = (name: string): void =>
  batch(() => {
    state.component.value = name;
    state.unit.value = undefined;
    state.lasso.value = undefined;
    state.window.value = undefined;
    settle();
  });

/** Of two estimators that are compared, one is not compared with itself. */
export const selectEstimator = (name: string | undefined): void =>
  batch(() => {
    state.estimator.value = name;
    settle();
  });

export const selectSel = (sel: string): void => void (state.sel.value = sel);
export const selectOrder = (order: OrderName): void => void (state.order.value = order);

/** None clears; one colours the cortex by it, several by their mixing. */
export const selectTasks = (...tasks: string[]): void =>
  batch(() => {
    state.tasks.value = [...new Set(tasks)];
    if (tasks.length === 1) state.colour.value = { by: "task", task: tasks[0]! };
    if (tasks.length > 1) state.colour.value = { by: "tasks" };
    if (tasks.length === 0 && ["task", "tasks"].includes(state.colour.peek().by)) state.colour.value = { by: "domain" };
  });

/** Adds a task to the selected ones or takes it away. */
export const toggleTask = (task: string): void => {
  const now = state.tasks.peek();
  selectTasks(...(now.includes(task) ? now.filter((one) => one !== task) : [...now, task]));
};

export const selectDomain = (domain: string | undefined): void => void (state.domain.value = domain);
export const selectLayer = (layer: number | undefined): void => void (state.layer.value = layer);

export const selectUnit = (unit: UnitPlace | undefined): void =>
  batch(() => {
    state.unit.value = unit;
    if (unit) state.layer.value = unit.layer;
  });

/** Colours the cortex by it, too. */
export const selectNetwork = (network: NetworkPlace | undefined): void =>
  batch(() => {
    state.network.value = network;
    if (network) state.colour.value = { by: "network", ...network };
    else if (state.colour.peek().by === "network") state.colour.value = { by: "domain" };
  });

export const selectLasso = (lasso: Lasso | undefined): void => void (state.lasso.value = lasso?.runs.length ? lasso : undefined);
export const selectCompare = (other: Other | undefined): void => void (state.compare.value = other);
export const selectOption = (name: string, value: string | undefined): void => {
  const { [name]: _, ...rest } = state.options.peek();
  state.options.value = value === undefined ? rest : { ...rest, [name]: value };
};
export const selectView = (view: string | undefined): void => void (state.view.value = view);

export const selectColour = (colour: Colour): void =>
  batch(() => {
    state.colour.value = colour;
    if ("task" in colour) state.tasks.value = [colour.task];
    if (colour.by === "network") state.network.value = { dataset: colour.dataset, network: colour.network };
  });

/** Esc: nothing is selected, the map stays as it is. */
export const clearSelection = (): void =>
  batch(() => {
    state.domain.value = undefined;
    state.layer.value = undefined;
    state.unit.value = undefined;
    state.lasso.value = undefined;
    state.view.value = undefined;
  });

/** The study's own, then those that it tried; none where there is nothing to compare. */
export const estimatorsOf = (part: Component | undefined): string[] => (part?.tried?.length ? [part.estimator ?? "", ...part.tried] : []);

/** After another model was chosen: what it does not have is no longer selected. */
export function settle(): void {
  const own = model.peek();
  if (!own) return;
  if (!own.components.some((one) => one.name === state.component.peek())) {
    state.component.value = own.components[0]?.name ?? "neurons";
  }
  if (!own.sels.includes(state.sel.peek())) state.sel.value = own.main_sel;
  const tasks = new Set(includedTasks.peek());
  if (state.tasks.peek().some((task) => !tasks.has(task))) {
    state.tasks.value = state.tasks.peek().filter((task) => tasks.has(task));
  }
  const colour = state.colour.peek();
  const has =
    colour.by === "localizer"
      ? own.localizers.some((one) => one.name === colour.localizer)
      : colour.by === "network"
        ? own.networks.some((one) => one.dataset === colour.dataset && colour.network < one.networks.length)
        : "task" in colour
          ? tasks.has(colour.task)
          : true;
  if (!has) state.colour.value = { by: "domain" };
  const network = state.network.peek();
  if (network && !own.networks.some((one) => one.dataset === network.dataset && network.network < one.networks.length)) {
    state.network.value = undefined;
  }
  const unit = state.unit.peek();
  if (unit && unit.layer >= own.layers) state.unit.value = undefined;
  const layer = state.layer.peek();
  if (layer !== undefined && layer >= own.layers) state.layer.value = undefined;
  const other = state.compare.peek();
  const part = component.peek();
  if (!part?.tried?.includes(state.estimator.peek() ?? "")) state.estimator.value = undefined;
  const same =
    other && ("model" in other ? other.model === own.name : other.estimator === (state.estimator.peek() ?? part?.estimator) || !estimatorsOf(part).includes(other.estimator));
  if (same) state.compare.value = undefined;
}

// --- the address -------------------------------------------------------------------------------------------

/** A colour in the address, and as the value of an option. */
export const colourText = (colour: Colour): string => {
  switch (colour.by) {
    case "task":
    case "difference":
      return `${colour.by}:${colour.task}`;
    case "localizer":
      return `localizer:${colour.localizer}`;
    case "network":
      return `network:${colour.dataset}/${colour.network}`;
    default:
      return colour.by;
  }
};

function colourOf(text: string): Colour {
  const [by, ...rest] = text.split(":");
  const what = rest.join(":");
  if (by === "task" && what) return { by, task: what };
  if (by === "difference" && what) return { by, task: what };
  if (by === "localizer" && what) return { by, localizer: what };
  if (by === "network") {
    const network = networkOf(what);
    if (network) return { by, ...network };
  }
  if (by === "tasks" || by === "silencing") return { by };
  return { by: "domain" };
}

function networkOf(text: string): NetworkPlace | undefined {
  const cut = text.lastIndexOf("/");
  const network = whole(text.slice(cut + 1));
  return cut > 0 && network !== undefined ? { dataset: text.slice(0, cut), network } : undefined;
}

const whole = (text: string | null | undefined): number | undefined =>
  text && /^\d{1,9}$/.test(text) ? Number(text) : undefined;

/** `12-15.40` for units 12 to 15 and 40. */
const runsText = (runs: Runs): string => runs.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`)).join(".");

function runsOf(text: string): Runs {
  const runs: Runs = [];
  for (const part of text.split(".")) {
    const match = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(part);
    if (!match) continue;
    const from = Number(match[1]);
    const to = match[2] === undefined ? from : Number(match[2]);
    if (to >= from) runs.push([from, to]);
  }
  return runs;
}

/** Sorted runs of any flat units. */
export function runsOfUnits(units: Iterable<number>): Runs {
  const runs: Runs = [];
  for (const unit of [...new Set(units)].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && last[1] + 1 === unit) last[1] = unit;
    else runs.push([unit, unit]);
  }
  return runs;
}

export function unitsOfRuns(runs: Runs): number[] {
  const units: number[] = [];
  for (const [from, to] of runs) for (let unit = from; unit <= to; unit++) units.push(unit);
  return units;
}

export const countOfRuns = (runs: Runs): number => runs.reduce((sum, [from, to]) => sum + to - from + 1, 0);

/** The state as `m=smollm2&c=neurons&colour=task:language/npi`; what is as it starts is left out. */
export function toHash(): string {
  const parts: [string, string][] = [];
  const put = (key: string, value: string | number | undefined): void => {
    if (value !== undefined && value !== "") parts.push([key, String(value)]);
  };
  const s = state;
  put("m", s.model.value);
  put("c", s.component.value === "neurons" ? undefined : s.component.value);
  const colour = colourText(s.colour.value);
  put("colour", colour === "domain" ? undefined : colour);
  put("by", s.estimator.value);
  put("order", s.order.value === "index" ? undefined : s.order.value);
  put("sel", s.sel.value === model.value?.main_sel ? undefined : s.sel.value);
  // The task that colours the map is chosen with it.
  const implied = "task" in s.colour.value && s.tasks.value.length === 1 && s.tasks.value[0] === s.colour.value.task;
  put("tasks", implied ? undefined : s.tasks.value.map((task) => task.replaceAll(",", "%2C")).join(","));
  put("domain", s.domain.value);
  put("layer", s.layer.value);
  put("unit", s.unit.value?.unit);
  put("site", s.unit.value && s.unit.value.site !== s.component.value ? s.unit.value.site : undefined);
  put("net", s.network.value && `${s.network.value.dataset}/${s.network.value.network}`);
  put("lasso", s.lasso.value && `${s.lasso.value.site}:${runsText(s.lasso.value.runs)}`);
  put("cmp", s.compare.value && otherText(s.compare.value));
  const window = s.window.value;
  put("at", window && [window.x, window.y, window.k].map((value) => Number(value.toPrecision(6))).join(","));
  put("view", s.view.value);
  const options = Object.entries(s.options.value).sort(([a], [b]) => (a < b ? -1 : 1));
  put("o", options.map(([name, value]) => `${name}:${value.replaceAll("%", "%25").replaceAll(",", "%2C")}`).join(","));
  // Slashes, colons, commas and @ stay as they are, so that a person can read the link.
  return parts
    .map(([key, value]) => `${key}=${encodeURIComponent(value).replace(/%(?:2F|3A|2C|40)/g, decodeURIComponent)}`)
    .join("&");
}

/** Sets the state from an address; what the study does not have is ignored. */
export function fromHash(hash: string, study: Manifest): void {
  const get = new Map<string, string>();
  for (const part of hash.replace(/^#/, "").split("&")) {
    const cut = part.indexOf("=");
    if (cut > 0) get.set(part.slice(0, cut), decoded(part.slice(cut + 1)));
  }
  batch(() => {
    const s = state;
    const named = get.get("m");
    const first = study.models.find((one) => !one.control) ?? study.models[0];
    s.model.value = study.models.some((one) => one.name === named) ? named! : (first?.name ?? "");
    s.component.value = get.get("c") ?? "neurons";
    s.colour.value = colourOf(get.get("colour") ?? "");
    s.estimator.value = get.get("by");
    s.order.value = get.get("order") === "domain" ? "domain" : "index";
    s.sel.value = get.get("sel") ?? "";
    s.tasks.value = (get.get("tasks") ?? "").split(",").filter(Boolean).map((task) => task.replaceAll("%2C", ","));
    if ("task" in s.colour.value && !s.tasks.value.length) s.tasks.value = [s.colour.value.task];
    const domain = get.get("domain");
    s.domain.value = study.domains.some((one) => one.name === domain) ? domain : undefined;
    const layer = whole(get.get("layer"));
    const unit = whole(get.get("unit"));
    s.layer.value = layer;
    s.unit.value =
      layer !== undefined && unit !== undefined ? { site: get.get("site") ?? s.component.value, layer, unit } : undefined;
    s.network.value = networkOf(get.get("net") ?? "");
    const lasso = get.get("lasso");
    const cut = lasso?.indexOf(":") ?? -1;
    const runs = cut > 0 ? runsOf(lasso!.slice(cut + 1)) : [];
    s.lasso.value = runs.length ? { site: lasso!.slice(0, cut), runs } : undefined;
    s.compare.value = otherOf(get.get("cmp") ?? "", study);
    const at = (get.get("at") ?? "").split(",").map(Number);
    s.window.value =
      at.length === 3 && at.every(Number.isFinite) && at[2]! > 0 ? { x: at[0]!, y: at[1]!, k: at[2]! } : undefined;
    s.view.value = get.get("view") || undefined;
    s.options.value = optionsOf(get.get("o") ?? "");
    settle();
  });
}

function optionsOf(text: string): Record<string, string> {
  const found: [string, string][] = [];
  for (const part of text.split(",")) {
    const cut = part.indexOf(":");
    if (cut > 0) found.push([part.slice(0, cut), decoded(part.slice(cut + 1))]);
  }
  return Object.fromEntries(found);
}

/** What is compared with, in the address and as the value of an option. */
export const otherText = (other: Other): string => ("model" in other ? `model:${other.model}` : `estimator:${other.estimator}`);

export function otherOf(text: string, study: Manifest): Other | undefined {
  const cut = text.indexOf(":");
  const name = text.slice(cut + 1);
  if (text.startsWith("model:")) return study.models.some((one) => one.name === name) ? { model: name } : undefined;
  if (text.startsWith("estimator:")) return { estimator: name };
  return undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Keeps address and state alike; an address typed by hand is taken as a link. */
export function followAddress(study: Manifest): () => void {
  fromHash(location.hash, study);
  let own = "";
  let waiting: ReturnType<typeof setTimeout> | undefined;
  const write = (): void => {
    // `replaceState` fills no history: dragging the map is not a hundred steps back.
    history.replaceState(null, "", `#${own}`);
  };
  const stop = effect(() => {
    own = toHash();
    // Browsers limit how often an address may change.
    clearTimeout(waiting);
    waiting = setTimeout(write, 150);
  });
  const typed = (): void => {
    if (location.hash.replace(/^#/, "") !== own) fromHash(location.hash, study);
  };
  addEventListener("hashchange", typed);
  return () => {
    stop();
    removeEventListener("hashchange", typed);
  };
}

/** The link to what is seen now. */
export const link = (): string => `${location.href.replace(/#.*$/, "")}#${toHash()}`;
