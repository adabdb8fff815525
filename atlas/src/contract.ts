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
  made: { brodmann: string; date: string; config_hash?: string; command?: string };
  domains: Domain[];
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
  /** Units per layer. */
  width: number;
  /** Where its units are read; a localizer or network of the same site speaks of the same units. */
  site?: string;
}

export interface Inclusion {
  included: boolean;
  reason: string;
  accuracy: number | null;
  n_items: number | null;
}

export interface LocalizerInfo {
  name: string;
  label: string;
  site: string;
  width: number;
  selections: string[];
}

export interface NetworkInfo {
  name: string;
  n_units: number;
  label: string;
}

export interface NetworkSet {
  dataset: string;
  site: string;
  width: number;
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
  /** Logical name -> file stem: see `fileOf` in data.ts for the names. */
  files: Record<string, string>;
}

/** Two things whose scores lie side by side: models, a model and its control, estimators. */
export interface Comparison {
  name: string;
  label: string;
  a: { model: string; estimator?: string };
  b: { model: string; estimator?: string };
}

/** One task's signed attribution, in units of the task's metric. */
export interface Scores {
  /** [layers, width]; absent where the component is binned. */
  scores?: FloatGrid;
  bins?: Bins;
}

export interface Bins {
  /** Bins per layer; bin b holds the units floor(b * units / width) up to that of b + 1. */
  width: number;
  /** [layers, width]: the value of largest magnitude, with its sign. */
  max: FloatGrid;
  mean: FloatGrid;
  /** [layers, width]: units of the main circuit in the bin. */
  count: ShortGrid;
  positive?: ShortGrid;
  negative?: ShortGrid;
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
  domain: IntGrid;
  how: string;
}

export interface Localizer {
  /** [layers, width] */
  t: FloatGrid;
  site: string;
  /** Selection -> flat units. */
  selections: Record<string, IntGrid>;
}

export interface Networks {
  /** [networks, layers, width], z-scored. */
  maps: FloatGrid;
  members: IntGrid[];
  threshold: number;
  site: string;
}

export interface Course {
  texts: { tokens: string[] }[];
  /** [networks, tokens of all texts] */
  networks: FloatGrid;
}

export interface Place {
  text: string;
  before: string;
  token: string;
  after: string;
  value: number;
}

export interface UnitTokens {
  promotes?: [string, number][];
  suppresses?: [string, number][];
  places?: Place[];
}

/** component -> `layer/unit` -> what is known of it. */
export type UnitsFile = Record<string, Record<string, UnitTokens>>;

export interface Silenced {
  layer: number;
  unit: number;
  task: string;
  n: number;
  /** Change of accuracy and of the normalised metric when this unit alone is silenced. */
  accuracy_drop: number | null;
  score: number | null;
}

/** component -> effects of silencing one unit alone. */
export type SilencedFile = Record<string, Silenced[]>;

/** measure -> component -> sel -> [T, T]; rows and columns in the order of `tasks`. */
export interface Matrices {
  tasks: string[];
  overlap?: Record<string, Record<string, Record<string, FloatGrid>>>;
  ablation?: Record<string, Record<string, Record<string, Ablation>>>;
  /** Rows that are no task: random and layer-matched units of the same number. */
  controls?: Record<string, unknown>;
  reliability?: Record<string, unknown>;
  faithfulness?: Record<string, unknown>;
  [more: string]: unknown;
}

export interface Ablation {
  /** Rows are the silenced circuits, columns the tasks that the model does. */
  accuracy_drop?: FloatGrid;
  score?: FloatGrid;
}
