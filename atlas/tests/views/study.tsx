/** A small study for tests of components: two domains of two tasks, a control, names that would be markup. */
import { render } from "preact";
import type { ComponentType } from "preact";
import { act } from "preact/test-utils";
import type { Manifest, Model } from "../../src/contract";
import { Library, manifest, useLibrary } from "../../src/data";
import { fromHash } from "../../src/state";

export const HOSTILE = `<img src=x onerror="globalThis.hurt=1">`;
export const TASKS = ["language/npi", "language/agreement", "formal/sums", `formal/${HOSTILE}`];
const SEL = "positive-0.1pct";

const grid = (kind: "f32" | "i32", shape: number[], values: number[]) => {
  const bytes = new Uint8Array((kind === "f32" ? Float32Array.from(values) : Int32Array.from(values)).buffer);
  return { dtype: kind, shape, data: Buffer.from(bytes).toString("base64") };
};

/** Off the diagonal: 0.5 within a domain, 0.125 across. */
const overlap = () => grid("f32", [4, 4], TASKS.flatMap((_, i) => TASKS.map((_, j) => (i === j ? 1 : i >> 1 === j >> 1 ? 0.5 : 0.125))));
const square = (value: number) => grid("f32", [4, 4], Array(16).fill(value));

const matrices = () => ({
  tasks: TASKS,
  overlap: { containment: { neurons: { [SEL]: overlap() } }, jaccard: { neurons: { [SEL]: square(0.25) } } },
  ablation: { neurons: { [SEL]: { corrupted: { accuracy_drop: square(0.75), score: square(0.5) } } } },
  controls: { neurons: { [SEL]: { corrupted: { n: grid("f32", [4], [8, 8, 8, 16]), layer_matched: { trials: 2, accuracy_drop: square(0.125) }, random: { trials: 2, accuracy_drop: grid("f32", [1, 4], [0, 0, 0, 0.25]) } } } } },
  reliability: { neurons: { [SEL]: { [TASKS[0]!]: { n_items: 20, n_circuit: 4, split_jaccard: 0.5, ceiling: 0.75 }, [TASKS[3]!]: { n_items: 30, n_circuit: 4, split_jaccard: 0.1, ceiling: 0.2 } } } },
  summary: { neurons: { [SEL]: [{ measure: "containment", pairs: "within", mean: 0.5, low: 0.375, high: 0.625, n_bootstraps: 100 }] } },
});

const circuit = (...units: number[]) => ({ units: grid("i32", [units.length], units), scores: grid("f32", [units.length], units.map((_, i) => 1 - i / 8)) });

/** 3 layers of 8 units; the first and the third task share units 9 and 20. */
const masks = () => ({ [SEL]: { [TASKS[0]!]: circuit(9, 1, 20, 2), [TASKS[1]!]: circuit(3, 4, 5, 9), [TASKS[2]!]: circuit(20, 9, 16, 17), [TASKS[3]!]: circuit(9, 22, 21, 23) } });

const row = { component: "neurons", sel: SEL, measure: "containment", n: 4, n_domain: 2, n_within: 1, n_cross: 4, p: 0.01, q: 0.02 };
const summary = () => ({
  domains: ["m", "m-untrained"].flatMap((model, control) =>
    ["language", "formal"].map((domain, i) => ({ ...row, model, domain, within: 0.5 - 0.2 * i - 0.2 * control, within_low: 0.1, within_high: 0.7, cross: 0.125, difference: 0.375 - 0.2 * i - 0.2 * control })),
  ),
  all: [{ ...row, model: "m", within: 0.4, cross: 0.125, difference: 0.275 }],
  untrained: [{ ...row, model: "m", domain: "language", excess: 0.25, low: 0.125, high: 0.375 }],
  thresholds: { stable: 0.8, reliable: 0.7, moderate: 0.4 },
});

const nets = () => ({
  rows: [0, 1].map((network) => ({ dataset: "news", network, n_units: 5 + network, percent: 1, explained: 0.1, stability: 1, silenced: { value: 40 + 400 * network, low: 39 + 300 * network, high: 41 + 500 * network, n: 6, intact: 40, q: 0.1, q_random: 0.03 }, random: [{ value: 42, low: 41, high: 43, n: 6 }] })),
  layers: { news: grid("i32", [2, 3], [5, 0, 0, 1, 2, 3]) },
  driving: [{ dataset: "news", network: "network-1", rank: 1, text: 0, before: "before ", token: HOSTILE, after: " after", course: 2.5 }],
});

const point = { sign: "positive", kind: "corrupted", n: 4, low: 0, high: 1 };
const curves = () => ({
  circuits: ["own", "random"].map((group, i) => ({ component: "neurons", sel: SEL, sign: "positive", percent: 0.1, kind: "corrupted", domain: "all", task: null, group, n: 4, mean: 0.75 - 0.7 * i, sem: 0.05 })),
  localizers: {},
  faithfulness: { neurons: { patching: { areas: [], curves: [0, 50, 100].flatMap((fraction) => ["own", "random"].map((order) => ({ ...point, task: TASKS[3], order, group: order, trial: 0, fraction, n_units: fraction, faithfulness: fraction / 100 }))) } } },
});

const FILES: Record<string, () => unknown> = {
  summary,
  matrices,
  masks,
  nets,
  curves,
  course: () => ({ texts: [{ name: "example", tokens: ["The", " rain", HOSTILE] }], networks: grid("f32", [2, 3], [0, 0, 0, 0.5, -2, 1]) }),
  clusters: () => ({ neurons: { containment: { [SEL]: { [TASKS[0]!]: 0, [TASKS[2]!]: 0, [TASKS[1]!]: 1, [TASKS[3]!]: 1 } } } }),
};

const about = { matrices_only: false, layers: 3, estimators: ["patching"], sels: [SEL], main_sel: SEL, localizers: [], binned: false };
const included = Object.fromEntries(TASKS.map((task) => [task, { included: true, reason: "", accuracy: 1, n_items: 20 }]));

export const MODELS: Model[] = [
  {
    ...about,
    name: "m",
    label: "model",
    control: false,
    components: [{ name: "neurons", label: "neurons", width: 8, site: "mlp_hidden" }],
    tasks: included,
    networks: [{ dataset: "news", site: "mlp_output", width: 4, method: "canica", networks: [{ name: "network-0", n_units: 5, label: "network-0" }, { name: "network-1", n_units: 6, label: HOSTILE }] }],
    files: { matrices: "matrices", "neurons.masks": "masks", nets: "nets", curves: "curves", "courses.news": "course", clusters: "clusters" },
  },
  { ...about, name: "m-untrained", label: "untrained", control: true, of: "m", components: [{ name: "neurons", label: "neurons", width: 8, site: "mlp_hidden" }], tasks: included, networks: [], files: { matrices: "matrices" } },
  { ...about, name: "published", label: "published", control: false, matrices_only: true, layers: 0, components: [], tasks: {}, networks: [], files: { matrices: "matrices" } },
];

export const STUDY: Manifest = {
  version: 1,
  title: "test",
  made: { brodmann: "0", date: "2026-01-01", config_hash: "0", command: "" },
  domains: [
    { name: "language", label: "language", colour: "#C0392B" },
    { name: "formal", label: "formal", colour: "#2471A3" },
  ],
  shared: "#9B59B6",
  tasks: TASKS.map((name) => ({ name, label: name.split("/")[1]!, domain: name.split("/")[0]! })),
  models: MODELS,
  files: { summary: "summary" },
};

/** Draws a view of a model; the address says what is chosen. */
export function draw(View: ComponentType, hash: string): HTMLElement {
  useLibrary(
    new Library((name, receive, fail) => {
      const make = FILES[name];
      if (make) receive(name, make());
      else fail("absent");
    }),
  );
  manifest.value = STUDY;
  fromHash(hash, STUDY);
  const root = document.createElement("div");
  document.body.replaceChildren(root);
  act(() => render(<View />, root));
  return root;
}


