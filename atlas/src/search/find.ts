/** What a search finds: tasks, domains, units by name ("L21 N4711"), layers, localizers, networks, tokens. */
import type { Manifest, Model, UnitsFile } from "../contract";
import type { Loaded } from "../data";
import { selectColour, selectDomain, selectLayer, selectNetwork, selectTasks, selectUnit } from "../state";
import { count, LETTERS, unitName } from "../format";
import { widthsOf } from "../units";

export interface Hit {
  id: string;
  kind: "task" | "domain" | "unit" | "layer" | "localizer" | "network" | "token";
  label: string;
  /** Beside the label: what it is of. */
  detail: string;
  go: () => void;
  /** Of a task. */
  task?: string;
}

export const MOST_HITS = 14;
const MOST_OF_A_KIND = 5;

const UNIT = /^\s*l(?:ayer)?\s*(\d+)\s*[,/ ]?\s*(?:(n|h|e|r|d)[a-z]*\s*|[,/ ]\s*)(\d+)\s*$/i;
const LAYER = /^\s*l(?:ayer)?\s*(\d+)\s*$/i;

/** Units named in a query: a letter says whether a neuron, a head, an expert, a router's logit or a dimension is meant. */
export function unitHits(query: string, model: Model, component: string): Hit[] {
  const match = UNIT.exec(query);
  if (!match) return [];
  const [layer, unit] = [Number(match[1]), Number(match[3])];
  const letter = match[2]?.toUpperCase();
  const sites = new Map<string, string>();
  for (const one of model.components) sites.set(one.name, one.label);
  for (const one of [...model.localizers, ...model.networks]) {
    if (!model.components.some((own) => own.site === one.site)) sites.set(one.site, one.site.replaceAll("_", " "));
  }
  const wanted = (site: string): boolean => (letter === undefined ? site === component : letter === (LETTERS[site] ?? "D"));
  return [...sites]
    .filter(([site]) => wanted(site) && layer < model.layers && unit < widthsOf(model, site)[layer]!)
    .map(([site, label]) => ({
      id: `unit:${site}/${layer}/${unit}`,
      kind: "unit",
      label: unitName(site, layer, unit),
      detail: label,
      go: () => selectUnit({ site, layer, unit }),
    }));
}

/** Tokens that a unit promotes, or that drive it. */
export function tokenHits(query: string, model: Model, file: UnitsFile | undefined): Hit[] {
  const wanted = query.trim().toLowerCase();
  if (!file || wanted.length < 2) return [];
  const scored: { score: number; hit: Hit }[] = [];
  const fits = (token: string): number => {
    const own = token.trim().toLowerCase();
    return own === wanted ? 2 : own.startsWith(wanted) ? 1 : 0;
  };
  for (const page of file.units) {
    const site = model.components.find((one) => one.site === page.site)?.name ?? page.site;
    const name = unitName(site, page.layer, page.unit);
    const promoted = page.promotes.find(([token]) => fits(token));
    const driven = page.driven?.highest.find((place) => fits(place.token));
    const found = promoted ? promoted[0] : driven?.token;
    if (found === undefined) continue;
    scored.push({
      score: fits(found),
      hit: {
        id: `token:${site}/${page.layer}/${page.unit}`,
        kind: "token",
        label: `“${found.trim()}”`,
        detail: `${name} ${promoted ? "promotes it" : "is driven by it"}`,
        go: () => selectUnit({ site, layer: page.layer, unit: page.unit }),
      },
    });
  }
  for (const page of file.networks) {
    const driven = page.driven && [...page.driven.highest, ...page.driven.lowest].find((place) => fits(place.token));
    if (!driven) continue;
    scored.push({
      score: fits(driven.token),
      hit: {
        id: `token:${page.dataset}/${page.network}`,
        kind: "token",
        label: `“${driven.token.trim()}”`,
        detail: `drives network ${page.network} of ${page.dataset}`,
        go: () => selectNetwork({ dataset: page.dataset, network: page.network }),
      },
    });
  }
  return scored.sort((a, b) => b.score - a.score).map(({ hit }) => hit);
}

export function search(query: string, study: Manifest, model: Model, component: string, file: UnitsFile | undefined): Hit[] {
  const words = query.toLowerCase().split(/[\s/_-]+/).filter(Boolean);
  if (words.length === 0) return [];
  // Where words begin: "the" is no part of "farther".
  const has = (...texts: string[]): boolean => {
    const all = texts.join(" ").toLowerCase().split(/[^\p{L}\p{N}]+/u);
    return words.every((word) => all.some((own) => own.startsWith(word)) || texts.some((text) => text.includes(word) && !/[\p{L}\p{N}]/u.test(word)));
  };
  const hits: Hit[] = [...unitHits(query, model, component)];
  const layer = LAYER.exec(query);
  if (layer && Number(layer[1]) < model.layers) {
    const n = Number(layer[1]);
    hits.push({ id: `layer:${n}`, kind: "layer", label: `Layer ${n}`, detail: `of ${model.layers}`, go: () => selectLayer(n) });
  }
  for (const task of study.tasks) {
    if (!has(task.label, task.name.replaceAll("_", " "))) continue;
    const own = Object.hasOwn(model.tasks, task.name) ? model.tasks[task.name] : undefined;
    const detail = own && !own.included ? `not mapped: ${own.reason}` : task.name;
    hits.push({ id: `task:${task.name}`, kind: "task", label: task.label, detail, task: task.name, go: () => selectTasks(task.name) });
  }
  for (const domain of study.domains) {
    if (has(domain.label, domain.name)) {
      hits.push({ id: `domain:${domain.name}`, kind: "domain", label: domain.label, detail: "domain", go: () => (selectColour({ by: "domain" }), selectDomain(domain.name)) });
    }
  }
  for (const one of model.localizers) {
    if (has(one.label, one.name, "localizer")) {
      hits.push({ id: `localizer:${one.name}`, kind: "localizer", label: one.label, detail: "localizer", go: () => selectColour({ by: "localizer", localizer: one.name }) });
    }
  }
  for (const set of model.networks) {
    set.networks.forEach((one, network) => {
      if (has(one.label, one.name, set.dataset, "network")) {
        hits.push({ id: `network:${set.dataset}/${network}`, kind: "network", label: one.label, detail: `${one.name} of ${set.dataset}`, go: () => selectNetwork({ dataset: set.dataset, network }) });
      }
    });
  }
  return some([...hits, ...tokenHits(query, model, file)]);
}

/** As many as a list shows: of each kind a few, and then more of those that come first. */
function some(hits: Hit[]): Hit[] {
  const seen = new Map<string, number>();
  const first = hits.filter(({ kind }) => {
    seen.set(kind, (seen.get(kind) ?? 0) + 1);
    return seen.get(kind)! <= MOST_OF_A_KIND;
  });
  const kept = new Set([...new Set([...first, ...hits])].slice(0, MOST_HITS));
  return hits.filter((hit) => kept.has(hit));
}

/** What a search looks through; of tokens, what there is of them, or why there are none. */
export function searched(model: Model, file: Loaded<UnitsFile>): string {
  const names = [
    "tasks, domains",
    ...(model.components.length ? ["units and layers by number"] : []),
    ...(model.localizers.length ? ["localizers"] : []),
    ...(model.networks.length ? ["networks"] : []),
  ];
  return `Searched: ${names.join(", ")}. ${tokensSearched(model, file)}`;
}

function tokensSearched(model: Model, file: Loaded<UnitsFile>): string {
  if (model.matrices_only) return "No tokens: of this model there are matrices and no units.";
  if (file.state === "loading") return "Tokens are being read …";
  if (file.state === "failed") return `No tokens: ${file.why}.`;
  if (file.state === "absent") return "No tokens: this study has no pages of units (atlas.units makes them, with the pass over networks or ablations).";
  const { units, networks, notes } = file.value;
  const told = units.filter((one) => one.promotes.length || one.driven?.highest.length).length;
  if (!told && !networks.some((one) => one.driven)) return `No tokens: ${notes.join(" ") || "no unit has any."}`;
  return `Tokens that ${count(told)} units promote or are driven by, and that drive ${count(networks.length)} networks; of other units they were not computed (atlas.units).`;
}
