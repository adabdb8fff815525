/**
 * What the files in `data/` hold: docs/atlas.md#data, mirrored by src/brodmann/atlas/contract.py.
 * Arrays come as base64 and are decoded when a file arrives (arrays.ts): here they are `Grid`s already.
 * A study that lacks something has no such file or field, and the view says which setting would make it.
 */

export type FloatGrid = { shape: number[]; values: Float32Array };
export type IntGrid = { shape: number[]; values: Int32Array };
export type ShortGrid = { shape: number[]; values: Uint16Array };
export type ByteGrid = { shape: number[]; values: Uint8Array };
export type Grid = FloatGrid | IntGrid | ShortGrid | ByteGrid;

export interface Manifest {
  version: 1;
  title: string;
  made: { brodmann: string; date: string; config_hash: string; command: string };
  domains: Domain[];
  /** The colour of units of several domains. */
  shared: string;
  tasks: Task[];
  models: Model[];
  average?: boolean;
  comparisons?: Comparison[];
  /** Logical name -> file stem, of files that belong to no model: `average.matrices`. */
  files?: Record<string, string>;
}

export interface Domain {
  name: string;
  label: string;
  /** `#RRGGBB`, as in the figures. */
  colour: string;
}

export interface Task {
  /** `domain/task`, as in every path and table. */
  name: string;
  label: string;
  domain: string;
}

export interface Component {
  name: string;
  label: string;
  /** Units per layer: of the widest, where layers differ. */
  width: number;
  /** Units of each layer, where they differ: hybrids, mixtures whose first blocks have no experts. */
  widths?: number[];
  /** Where its units are read; a localizer or network of the same site speaks of the same units. */
  site: string;
  /** Units per cell where they are binned. */
  bin?: number;
  estimator?: string;
  /** Other estimators whose attributions are there, each at some positions: `relp at all`. */
  tried?: string[];
}

export interface Inclusion {
  included: boolean;
  reason: string;
  /** Share of items that the model has right both ways. */
  accuracy: number | null;
  /** Items that circuits were found on. */
  n_items: number | null;
}

export interface LocalizerInfo {
  name: string;
  label: string;
  site: string;
  width: number;
  /** As of a component. */
  widths?: number[];
  selections: string[];
}

export interface NetworkInfo {
  name: string;
  n_units: number;
  /** On which tokens its course is high, or low; its name where that is unknown. */
  label: string;
  /** The factor that perplexity grows by where it is inhibited. */
  harm?: number | null;
  /** The same of as many random units (their mean). */
  control?: number | null;
}

export interface NetworkSet {
  dataset: string;
  site: string;
  width: number;
  /** As of a component. */
  widths?: number[];
  method: string;
  networks: NetworkInfo[];
}

export interface Model {
  name: string;
  label: string;
  /** An untrained twin or another control: shown as one, never averaged in. */
  control: boolean;
  of?: string;
  series?: { name: string; axis: string; step: number };
  /** Published results have matrices and no units. */
  matrices_only: boolean;
  layers: number;
  components: Component[];
  estimators: string[];
  tasks: Record<string, Inclusion>;
  sels: string[];
  main_sel: string;
  localizers: LocalizerInfo[];
  networks: NetworkSet[];
  /** More than a million units in a component: scores come as bins first (`Scores.bins`). */
  binned: boolean;
  /** Of the model, as mask files have them. */
  weights?: string;
  /** Logical name -> file stem: see `fileOf` in data.ts for the names. */
  files: Record<string, string>;
}

/** Two models that are to be seen side by side. */
export interface Comparison {
  one: string;
  other: string;
  kind: "control" | "series" | "models";
}

/** One task's signed attribution, in units of the task's metric. */
export interface Scores {
  /** [layers, width]; absent where the component is binned. */
  scores?: FloatGrid;
  /** Of units by index, and in the order of domains. */
  bins?: Bins;
  domain_bins?: Bins;
  /** Of an estimator that was tried: on so many items. */
  n_items?: number;
}

/** Cells of several units side by side in a layer; the last one of a layer may hold fewer. */
export interface Bins {
  /** Cells per layer. */
  width: number;
  /** Units per cell. */
  size: number;
  /** [layers, cells]: the value of largest magnitude, with its sign. */
  max: FloatGrid;
  mean: FloatGrid;
  /** [layers, cells]: units of the main circuit, above 0, below 0. */
  count: ShortGrid;
  positive: ShortGrid;
  negative: ShortGrid;
}

/** What domains the units (or bins) are of; `circuits` in the order of `Manifest.domains`. */
export interface Domains {
  /** [layers, cells]: index of the domain with the largest share; 255 where there is no attribution. */
  dominant: ByteGrid;
  /** [layers, cells]: its share of all domains' |attribution|. */
  share: FloatGrid;
  /** [layers, cells]: that of all domains, as a multiple of the mean cell's. */
  strength: FloatGrid;
  /** [domains, layers, cells]: units in main circuits, counted for each task. */
  circuits: ShortGrid;
  how: string;
  size: number;
  domain_order?: Domains;
}

/** One layer in every task. */
export interface LayerScores {
  tasks: string[];
  /** [tasks, width] */
  scores: FloatGrid;
  /** [tasks, width], 1 = the largest score of the whole component; ties by layer, then unit. */
  ranks: IntGrid;
}

export interface Circuit {
  /** Flat indices (layer * width + unit), best first. */
  units: IntGrid;
  scores: FloatGrid;
}

/** sel -> task -> circuit. */
export type Masks = Record<string, Record<string, Circuit>>;

export interface Order {
  /** [layers, width]: place -> unit. */
  domain: IntGrid | ShortGrid;
  how: string;
}

export interface Localizer {
  /** [layers, width] */
  t: FloatGrid;
  site: string;
  /** Selection -> flat units. */
  selections: Record<string, IntGrid>;
  /** Control draws of as many units. */
  random: Record<string, IntGrid>;
  texts?: string;
}

export interface Networks {
  /** [networks, layers, width], z-scored. */
  maps: FloatGrid;
  members: IntGrid[];
  names: string[];
  threshold: number;
  site: string;
}

/** A row of a table of results. */
export type Row = Record<string, string | number | boolean | null>;

export interface Course {
  /** Further tokens of a character that took several are empty. */
  texts: { name?: string; tokens: string[] }[];
  /** [networks, tokens of all texts] */
  networks: FloatGrid;
}

/** A token of a text at which something is strong. */
export interface Place {
  dataset: string;
  /** Number of the text among its dataset's samples, from 0. */
  text: number;
  position: number;
  before: string;
  token: string;
  after: string;
  value: number;
}

/** Where something is highest and lowest over the networks' texts, strongest first. */
export interface Driven {
  highest: Place[];
  lowest: Place[];
  mean: number | null;
  sd: number | null;
  first: number | null;
}

/** What the model says of a unit, a head or a network. */
export interface Page {
  promotes: [string, number | null][];
  suppresses: [string, number | null][];
  driven?: Driven;
}

export interface UnitPage extends Page {
  site: string;
  layer: number;
  unit: number;
  /** Of a head's output weights, the part that lies on the direction whose tokens are listed. */
  share?: number | null;
}

export interface NetworkPage extends Page {
  dataset: string;
  network: number;
  site: string;
  n_units: number;
}

export interface UnitsFile {
  units: UnitPage[];
  networks: NetworkPage[];
  /** What is not there, and why. */
  notes: string[];
}

/** What a unit alone did to a task, measured. */
export interface Silenced {
  component: string;
  task: string;
  layer: number;
  unit: number;
  /** What the metric gains where only this unit has its clean activation in the corrupted run. */
  effect: number | null;
  source: string;
}

export interface Matrices {
  /** Of rows and columns: all tasks of the manifest, NaN where the model does not do one. */
  tasks: string[];
  /** measure -> component -> sel -> [T, T] */
  overlap: Record<string, Record<string, Record<string, FloatGrid>>>;
  /** component -> sel -> kind -> rows the silenced circuits, columns the tasks */
  ablation: Record<string, Record<string, Record<string, Ablation>>>;
  forecast?: Record<string, Record<string, FloatGrid>>;
  controls?: Record<string, Record<string, Record<string, Controls>>>;
  reliability?: Record<string, Record<string, Record<string, Row>>>;
  stability?: Record<string, Record<string, Record<string, Row>>>;
  summary?: Record<string, Record<string, Row[]>>;
}

export interface Ablation {
  accuracy_drop?: FloatGrid;
  score?: FloatGrid;
}

/** The same number of other units, silenced: means over draws. */
export interface Controls {
  /** [T]: accuracy and items. */
  intact?: FloatGrid;
  n?: FloatGrid;
  layer_matched?: Control;
  activation_matched?: Control;
  /** One row: random units belong to no circuit. */
  random?: Control;
}

export interface Control {
  trials: number;
  accuracy_drop?: FloatGrid;
  score?: FloatGrid;
}

// --- what the linked views read (src/brodmann/atlas/views_data.py) -----------------------------------------

/** Of the whole study: tests of domains, and from where on circuits count as stable or reliable. */
export interface Summary {
  domains: Row[];
  all: Row[];
  untrained: Row[];
  thresholds?: Thresholds;
}

export interface Thresholds {
  stable: number;
  reliable: number;
  moderate: number;
}

/** component -> measure -> sel -> task -> number of its cluster. */
export type Clusters = Record<string, Record<string, Record<string, Record<string, number>>>>;

export interface Curves {
  circuits: Row[];
  localizers: Record<string, Row[]>;
  faithfulness: Record<string, Record<string, { curves: Row[]; areas: Row[] }>>;
}

/** A perplexity, or what else is measured, with its interval. */
export interface Measured {
  value: number;
  low: number;
  high: number;
  n: number;
}

export interface Net {
  dataset: string;
  network: number;
  n_units: number;
  percent: number;
  explained: number;
  stability: number;
  silenced?: Measured & { intact: number; q: number | null; q_random: number | null };
  /** A draw of as many random units each. */
  random?: Measured[];
}

export interface Nets {
  rows: Net[];
  /** Dataset -> units per layer, [networks, layers]. */
  layers: Record<string, IntGrid>;
  driving: Row[];
}
