/** From what is chosen (model, colour, order) to a field; says what is missing where there is none. */
import type {
  Component, Domains, Localizer, Manifest, Masks, Model, Networks, Order, Scores, Silenced,
} from "../contract";
import { fileOf, scoresName, type Loaded } from "../data";
import { count, methodName, number, percent, selName, signed } from "../format";
import type { Colour, OrderName, Source } from "../state";
import { unitsOf } from "../units";
import {
  cellsOf, coloured, domainColours, endOf, ground, mixingColours, NONE, ownersOf, packed, placeOf, rankIn,
  scoresAt, unitAt, type Field, type Places, type Scale,
} from "./field";

export interface Wanted {
  study: Manifest;
  model: Model;
  component: Component | undefined;
  colour: Colour;
  order: OrderName;
  sel: string;
  tasks: string[];
  domain: string | undefined;
  /** Of `Component.tried`; absent: the study's own. */
  estimator: string | undefined;
  /** Of a difference: what is subtracted. */
  other: Source | undefined;
  dark: boolean;
  /** Zoomed in so far that bins are no longer enough. */
  near: boolean;
  /** Where colours end, if several maps share a scale. */
  end: number | undefined;
}

export type Read = <T>(file: string) => Loaded<T>;

export type Built =
  | { state: "ready"; field: Field }
  | { state: "loading" }
  | { state: "missing"; why: string };

/** Stops the building where a file is not here yet. */
class Waiting extends Error {}
class Missing extends Error {}

export function build(wanted: Wanted, read: Read): Built {
  try {
    return { state: "ready", field: new Builder(wanted, read).field() };
  } catch (error) {
    if (error instanceof Waiting) return { state: "loading" };
    if (error instanceof Missing) return { state: "missing", why: error.message };
    throw error;
  }
}

/** The site that a colour shows units of. */
export function siteOf(model: Model, component: string, colour: Colour): { site: string; width: number } | undefined {
  const own = (site: string): string => model.components.find((one) => one.site === site)?.name ?? site;
  if (colour.by === "localizer") {
    const found = model.localizers.find((one) => one.name === colour.localizer);
    return found && { site: own(found.site), width: found.width };
  }
  if (colour.by === "network") {
    const found = model.networks.find((one) => one.dataset === colour.dataset);
    return found && { site: own(found.site), width: found.width };
  }
  const found = model.components.find((one) => one.name === component);
  return found && { site: found.name, width: found.width };
}

class Builder {
  constructor(
    private readonly w: Wanted,
    private readonly read: Read,
  ) {}

  field(): Field {
    const { model, colour } = this.w;
    if (model.matrices_only) throw new Missing("This model's results were imported: they have matrices and no units.");
    switch (colour.by) {
      case "localizer":
        return this.localizer(colour.localizer);
      case "network":
        return this.network(colour.dataset, colour.network);
      case "task":
        return this.task(colour.task);
      case "tasks":
        return this.mixing();
      case "silencing":
        return this.silencing();
      case "difference":
        return this.difference(colour.task);
      default:
        return this.domains();
    }
  }

  private need<T>(logical: string, why: string, model = this.w.model): T {
    const file = fileOf(model, logical);
    if (file === undefined) throw new Missing(why);
    const loaded = this.read<T>(file);
    if (loaded.state === "ready") return loaded.value;
    if (loaded.state === "failed") throw new Missing(loaded.why);
    if (loaded.state === "absent") throw new Missing(why);
    throw new Waiting();
  }

  /** A file that is asked for and not waited for. */
  private maybe<T>(logical: string): T | undefined {
    const file = fileOf(this.w.model, logical);
    const loaded = file === undefined ? undefined : this.read<T>(file);
    return loaded?.state === "ready" ? loaded.value : undefined;
  }

  private get component(): Component {
    if (!this.w.component) throw new Missing("This model has no circuits: no task is included.");
    return this.w.component;
  }

  private places(size: number): Places {
    const { model, order } = this.w;
    const { name, width } = this.component;
    const how =
      order === "domain"
        ? this.need<Order>(`${name}.order`, "This study has no order by domain: make the atlas again with `brodmann atlas`.")
        : undefined;
    return { layers: model.layers, units: width, size, order: how?.domain.values };
  }

  private circuits(sel: string): Masks[string] {
    const { name } = this.component;
    const { model } = this.w;
    const logical = sel === model.main_sel ? `${name}.masks` : `${name}.masks.${sel}`;
    const masks = this.need<Masks>(logical, `There are no circuits of ${selName(sel)}: selection.percents and selection.signs make them.`);
    return Object.hasOwn(masks, sel) ? masks[sel]! : {};
  }

  private label(task: string): string {
    return this.w.study.tasks.find((one) => one.name === task)?.label ?? task;
  }

  private isMapped(task: string): void {
    const { model } = this.w;
    const own = Object.hasOwn(model.tasks, task) ? model.tasks[task] : undefined;
    if (own && !own.included) throw new Missing(`${model.label} is not mapped on ${this.label(task)}: ${own.reason}.`);
  }

  private get total(): string {
    return count(unitsOf(this.w.model, this.component.name));
  }

  private get whose(): string {
    const { model } = this.w;
    return model.control ? `${model.label} (control)` : model.label;
  }

  /** A map of signed values at their places. */
  private signed(
    places: Places,
    values: Float32Array,
    scale: { label: string; end?: number; root?: boolean },
    about: Pick<Field, "title" | "site" | "says" | "caption">,
  ): Field {
    const { dark, end } = this.w;
    // Several maps on one scale may differ much in size.
    const full: Scale = { kind: "signed", label: scale.label, end: end ?? scale.end ?? endOf(values), root: scale.root !== false && end !== undefined };
    return { ...places, ...coloured(values, full, dark), cells: cellsOf(places), values, scale: full, keys: [], ...about };
  }

  private domains(): Field {
    const { study, sel, domain, dark, near, model } = this.w;
    const { name, bin } = this.component;
    const circuits = this.circuits(sel);
    const size = bin && !near ? bin : 1;
    const places = this.places(size);
    const all = bin && near ? undefined : this.maybe<Domains>(`${name}.domains`);
    const own = all && places.order && size > 1 ? all.domain_order : all;
    const looks = domainColours({ study, places, domains: own, circuits, only: domain, dark });
    const { owner } = ownersOf(circuits, study, model.layers * places.units);
    const cells = cellsOf(places);
    const held = looks.keys.reduce((sum, key) => sum + (key.n ?? 0), 0);
    const says = (layer: number, cell: number): string => {
      if (size > 1) {
        const sums = new Map<string, number>();
        for (let place = cell * size; place < Math.min(places.units, (cell + 1) * size); place++) {
          const one = owner[layer * places.units + unitAt(places, layer, place)]!;
          if (one !== NONE) sums.set(study.domains[one]?.label ?? "several", (sums.get(study.domains[one]?.label ?? "several") ?? 0) + 1);
        }
        return sums.size ? `in circuits: ${[...sums].map(([label, n]) => `${label} ${n}`).join(", ")}` : "none in a circuit";
      }
      const unit = unitAt(places, layer, cell);
      const flat = layer * places.units + unit;
      const tasks = Object.entries(circuits).filter(([, circuit]) => circuit.units.values.includes(flat));
      if (tasks.length) return `in the circuits of ${tasks.map(([task]) => this.label(task)).join(", ")}`;
      const main = own && study.domains[own.dominant.values[flat] ?? NONE];
      return main ? `in no circuit; ${percent(own.share.values[flat]!)} of its attribution, of either sign, is ${main.label}` : "in no circuit";
    };
    return {
      ...places,
      ...looks,
      cells,
      title: "Domains",
      site: name,
      says,
      caption:
        `${size > 1 ? "In colour" : "Full colour"}: the ${count(held)} of ${this.total} ${this.component.label} of ${this.whose} that are in a circuit (${selName(sel)} of each task's attribution). ` +
        (size > 1
          ? `A cell has ${count(size)} units and the colour of the domain with most circuit units in it, the fuller the more; zoom in for each unit.`
          : own
            ? "Faint: the domain with the largest part of a unit's attribution, of either sign."
            : ""),
    };
  }

  /** Values of one task, in bins or of all units once zoomed in; of an estimator that was tried, the number of its items. */
  private scores(task: string, from: Source = this.w): { values: Float32Array; places: Places; items: number | undefined } {
    const { model, estimator } = from;
    const { name, bin } = this.component;
    const exact = bin !== undefined && this.w.near && !estimator ? fileOf(model, `${name}.exact.${task}`) : undefined;
    let scores: Scores | undefined;
    if (exact !== undefined) {
      const loaded = this.read<Scores>(exact);
      // Until they are here, bins are shown.
      if (loaded.state === "ready") scores = loaded.value;
    }
    const lacking = estimator
      ? `${estimator} was not tried on ${this.label(task)}: attribution.agreement.tasks says on what.`
      : `${model.label} has no attribution for ${this.label(task)}: tasks.include and attribution.components make it.`;
    scores ??= this.need<Scores>(scoresName(name, task, estimator), lacking, model);
    const places = this.places(scores.scores ? 1 : (bin ?? 1));
    const found = scoresAt(scores, places);
    if (!found) throw new Missing("These bins were not made in the domains' order: order by index instead.");
    const own = Object.hasOwn(model.tasks, task) ? model.tasks[task] : undefined;
    return { values: found.values, places, items: scores.n_items ?? own?.n_items ?? undefined };
  }

  private task(task: string): Field {
    this.isMapped(task);
    const { sel, estimator } = this.w;
    const { values, places, items } = this.scores(task);
    const { size } = places;
    const own = this.component.estimator;
    return this.signed(places, values, { label: "attribution" }, {
      title: this.label(task),
      site: this.component.name,
      says: (layer, cell) => {
        const value = values[layer * cellsOf(places) + cell]!;
        if (size > 1) return `largest of ${count(Math.min(size, places.units - cell * size))} units: ${signed(value)}`;
        return `${signed(value)}, rank ${count(rankIn(values, value))} of ${this.total}`;
      },
      caption:
        `Attribution${estimator ? ` by ${estimator}` : ""} of ${this.total} ${this.component.label} of ${this.whose} to ${this.label(task)}${items ? `, mean over ${items} items` : ""}: red carries the task, blue works against it. ` +
        (estimator ? `Circuits, and all else on this page, are by the study's own estimator${own ? ` (${own})` : ""}.` : `Its circuit is the ${selName(sel)}.`) +
        (size > 1 ? ` Each cell is the strongest of ${count(size)} units${estimator ? "." : "; zoom in for each."}` : ""),
    });
  }

  private mixing(): Field {
    const { tasks, sel, dark, model } = this.w;
    const { name, bin } = this.component;
    const circuits = this.circuits(sel);
    const chosen = tasks.filter((task) => Object.hasOwn(circuits, task));
    if (chosen.length === 0) throw new Missing("Choose tasks that this model is mapped on: search for one, or click cells of a matrix.");
    const places = this.places(bin && !this.w.near ? bin : 1);
    const looks = mixingColours(places, chosen.map((task) => ({ label: this.label(task), circuit: circuits[task]! })), dark);
    const sizes = chosen.map((task) => circuits[task]!.units.values.length);
    const all = model.layers * places.units;
    const chance = chosen.length === 2 ? ` By chance two such circuits share ${number((sizes[0]! * sizes[1]!) / all)} units.` : "";
    const says = (layer: number, cell: number): string => {
      const from = cell * places.size;
      const held: string[] = [];
      for (const task of chosen) {
        const set = circuits[task]!.units.values;
        for (let place = from; place < Math.min(places.units, from + places.size); place++) {
          if (set.includes(layer * places.units + unitAt(places, layer, place))) {
            held.push(this.label(task));
            break;
          }
        }
      }
      return held.length ? `in the circuits of ${held.join(" and ")}` : "in none of these circuits";
    };
    return {
      ...places,
      ...looks,
      cells: cellsOf(places),
      title: chosen.map((task) => this.label(task)).join(" and "),
      site: name,
      says,
      caption: `Circuits of ${this.whose}, ${selName(sel)} of attribution: ${chosen.map((task, i) => `${this.label(task)} (${count(sizes[i]!)} units)`).join(", ")}.${chance}`,
    };
  }

  private localizer(name: string): Field {
    const { model } = this.w;
    const why = `${model.label} has no localizer ${name}: localizer.networks makes it.`;
    const info = model.localizers.find((one) => one.name === name);
    if (!info) throw new Missing(why);
    const value = this.need<Localizer>(`localizer.${name}`, why);
    const values = value.t.values;
    const chosen = Object.entries(value.selections).map(([sel, units]) => `${sel} (${count(units.values.length)} units)`);
    return this.signed({ layers: model.layers, units: info.width, size: 1 }, values, { label: "t" }, {
      title: `Localizer: ${info.label}`,
      site: siteOf(model, "", { by: "localizer", localizer: name })!.site,
      says: (layer, cell) => {
        const t = values[layer * info.width + cell]!;
        return `t = ${number(t)}, rank ${count(rankIn(values, t))} of ${count(values.length)}`;
      },
      caption: `Welch's t of ${count(values.length)} units (${value.site.replaceAll("_", " ")}) of ${this.whose}, ${info.label} against its contrast. Selections: ${chosen.join(", ") || "none"}.${value.texts ? ` Texts: ${value.texts}.` : ""}`,
    });
  }

  private network(dataset: string, network: number): Field {
    const { model } = this.w;
    const info = model.networks.find((one) => one.dataset === dataset);
    const named = info?.networks[network];
    if (!info || !named) throw new Missing(`${model.label} has no such network: networks.datasets makes them.`);
    const value = this.need<Networks>(`networks.${dataset}`, `${model.label} has no networks of ${dataset}: networks.datasets makes them.`);
    const size = model.layers * info.width;
    const values = value.maps.values.subarray(network * size, (network + 1) * size);
    const members = value.members[network]?.values.length ?? 0;
    const scale = { label: "z", end: Math.max(value.threshold * 1.5, endOf(values)) };
    return this.signed({ layers: model.layers, units: info.width, size: 1 }, values, scale, {
      title: `${dataset} ${network}: ${named.label}`,
      site: siteOf(model, "", { by: "network", dataset, network })!.site,
      says: (layer, cell) => {
        const z = values[layer * info.width + cell]!;
        return `z = ${number(z)}${Math.abs(z) > value.threshold ? ", in the network" : ""}`;
      },
      caption: `z of ${count(size)} units (${value.site.replaceAll("_", " ")}) of ${this.whose} in a network of ${dataset} (${methodName(info.method)}). ${count(members)} units are in the network: |z| > ${number(value.threshold)}.`,
    });
  }

  private silencing(): Field {
    const { model, dark, tasks } = this.w;
    const { name } = this.component;
    const how = "attribution.agreement measures it";
    const file = this.need<Silenced[]>("silenced", `No effect of a unit alone was measured in this model: ${how}.`);
    const rows = file.filter((row) => row.component === name && (!tasks.length || tasks.includes(row.task)));
    if (!rows.length) throw new Missing(`No effect of ${this.component.label} alone was measured${tasks.length ? " on these tasks" : ""}: ${how}.`);
    const places = this.places(1);
    const values = new Float32Array(model.layers * places.units).fill(NaN);
    for (const row of rows) {
      if (row.effect === null) continue;
      const i = row.layer * places.units + placeOf(places, row.layer, row.unit);
      // Of several tasks the largest effect is shown.
      if (!(Math.abs(values[i]!) > Math.abs(row.effect))) values[i] = row.effect;
    }
    const units = new Set(rows.map((row) => `${row.layer}/${row.unit}`)).size;
    const measured = endOf(values.filter((value) => !Number.isNaN(value)));
    const found = this.signed(places, values, { label: "effect of the unit alone", end: measured, root: false }, {
      title: "Effect of single units",
      site: name,
      says: (layer, cell) => {
        const value = values[layer * places.units + cell]!;
        return Number.isNaN(value) ? "not measured alone" : `alone: ${signed(value)}`;
      },
      caption: `Measured: what the normalised metric gains where only this unit has its clean activation in the corrupted run, so what silencing it takes away. ${count(units)} of ${this.total} units of ${this.whose} were measured.`,
    });
    const base = packed(ground(dark));
    values.forEach((value, i) => {
      if (Number.isNaN(value)) found.rgba[i] = base;
    });
    return found;
  }

  private difference(task: string): Field {
    const { model, other } = this.w;
    this.isMapped(task);
    if (!other) throw new Missing("Choose under Compare what is to be subtracted.");
    const width = other.model.components.find((one) => one.name === this.component.name)?.width;
    if (other.model.layers !== model.layers || width !== this.component.width) {
      throw new Missing(`${model.label} and ${other.model.label} have different units: their maps can stand side by side, but have no difference.`);
    }
    const own = Object.hasOwn(other.model.tasks, task) ? other.model.tasks[task] : undefined;
    if (own && !own.included) throw new Missing(`${other.model.label} is not mapped on ${this.label(task)}: ${own.reason}.`);
    const [a, b] = [this.scores(task), this.scores(task, other)];
    if (a.values.length !== b.values.length) throw new Waiting();
    // Both stand in the order of the first model.
    const values = a.values.map((value, i) => value - b.values[i]!);
    const [one, two] = [this.w, other].map((from) => sourceLabel(from, this.component, model !== other.model));
    const items = a.items && b.items && a.items !== b.items ? ` They are means over ${a.items} and ${b.items} items.` : "";
    return this.signed(a.places, values, { label: "difference of attribution" }, {
      title: `${this.label(task)}: ${one} − ${two}`,
      site: this.component.name,
      says: (layer, cell) => {
        const i = layer * cellsOf(a.places) + cell;
        const less = number(b.values[i]!);
        return `${number(a.values[i]!)} − ${b.values[i]! < 0 ? `(${less})` : less} = ${signed(values[i]!)}`;
      },
      caption: `Attribution to ${this.label(task)} ${model === other.model ? `in ${this.whose} by` : "in"} ${one} less that ${model === other.model ? "by" : "in"} ${two}, unit by unit, of ${this.total} ${this.component.label}.${items}`,
    });
  }
}

/** `smollm2`, or `relp at all`; both where that is not enough. */
export function sourceLabel({ model, estimator }: Source, part: Component | undefined, models: boolean): string {
  const name = model.control ? `${model.label} (control)` : model.label;
  if (!models) return estimator ?? part?.estimator ?? name;
  return estimator ? `${name}, ${estimator}` : name;
}
