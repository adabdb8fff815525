import { describe, expect, it } from "vitest";
import { byChanceInLayers, perLayer } from "../src/chance";
import { bothHighest } from "../src/compare/agreement";
import type { Circuit, LayerScores, Localizer, Manifest, Masks, Model, Networks, UnitsFile } from "../src/contract";
import { command, maskCsv } from "../src/panel/mask";
import { separations, sharingPairs } from "../src/panel/overview";
import { localizerRow, networkRows, taskRows } from "../src/panel/rows";
import { goesOn, visible } from "../src/panel/tokens";
import { search, searched } from "../src/search/find";
import { manifest } from "../src/data";
import { fromHash, state } from "../src/state";

const floats = (shape: number[], ...values: number[]) => ({ shape, values: Float32Array.from(values) });
const ints = (...values: number[]) => ({ shape: [values.length], values: Int32Array.from(values) });
const circuit = (units: number[], scores: number[]): Circuit => ({ units: ints(...units), scores: floats([scores.length], ...scores) });

const study = {
  domains: [{ name: "a", label: "A", colour: "#000000" }],
  tasks: [{ name: "a/x", label: "task x", domain: "a" }, { name: "a/y_z", label: "task why", domain: "a" }],
  models: [],
} as unknown as Manifest;
const model = {
  name: "one", label: "one", layers: 2, sels: ["s", "m"], main_sel: "s", weights: "sha256:abc",
  components: [{ name: "neurons", label: "neurons", width: 3, site: "mlp_hidden" }, { name: "heads", label: "heads", width: 2, site: "heads" }],
  tasks: { "a/x": { included: true, reason: "", accuracy: 1, n_items: 5 }, "a/y_z": { included: true, reason: "", accuracy: 1, n_items: 6 } },
  localizers: [{ name: "language", label: "language", site: "block_output", width: 9, selections: [] }],
  networks: [{ dataset: "news", site: "mlp_output", width: 9, method: "canica", networks: [{ name: "network-0", n_units: 2, label: "“the”" }] }],
  files: {},
} as unknown as Model;

describe("texts around a token", () => {
  it("go on where 60 characters are shown, whatever their size in memory", () => {
    expect([goesOn("x".repeat(60)), goesOn("x".repeat(59)), goesOn("𝔸".repeat(59)), goesOn("")]).toEqual([true, false, false, false]);
  });
});

describe("a unit's page", () => {
  it("lists its tasks by attribution, with ranks and the circuits that hold it", () => {
    const layer: LayerScores = {
      tasks: ["a/x", "a/y_z"],
      scores: floats([2, 3], 1, 2, 3, 4, 5, 6),
      ranks: { shape: [2, 3], values: Int32Array.from([6, 5, 4, 3, 2, 1]) },
    };
    const masks: Masks = { s: { "a/x": circuit([5], [1]), "a/y_z": circuit([0], [1]) }, m: { "a/x": circuit([5, 4], [1, 1]) } };
    const rows = taskRows(study, model, layer, masks, { layer: 1, unit: 2 });
    expect(rows.map((row) => [row.task, row.score, row.rank, row.nItems, row.masks])).toEqual([["a/y_z", 6, 1, 6, []], ["a/x", 3, 4, 5, ["s", "m"]]]);
  });

  it("says its t, its rank and where it is selected", () => {
    const file: Localizer = { t: floats([2, 2], 3, -1, 7, 2), site: "", selections: { top: ints(2), other: ints(0, 1) }, random: {} };
    expect(localizerRow("l", file, { layer: 1, unit: 0 })).toEqual({ label: "l", t: 7, rank: 1, of: 4, selections: ["top"] });
    expect(localizerRow("l", file, { layer: 0, unit: 1 })).toMatchObject({ t: -1, rank: 4, selections: ["other"] });
  });

  it("finds its networks, of either sign, the strongest first", () => {
    const file = { maps: floats([3, 1, 2], 1, 2, 3, -9, 5, 4), members: [ints(), ints(1), ints(0)] } as unknown as Networks;
    expect(networkRows(file, { layer: 0, unit: 1 })).toEqual([{ network: 1, z: -9, member: true }, { network: 2, z: 4, member: false }, { network: 0, z: 2, member: false }]);
  });

  it("shows signs of tokens that cannot be seen", () => {
    expect([" the", "\n", "", "\u202Eabc", "a b"].map(visible)).toEqual(["␣the", "⏎", "(empty)", "�abc", "a b"]);
  });
});

describe("a selection", () => {
  it("is a mask as brodmann's are, with the command that lesions it", () => {
    expect(maskCsv(model, "neurons", 3, [1, 5], (flat) => flat / 10)).toBe(
      "layer,unit,score,model,weights,site,selection\n0,1,0.1,one,sha256:abc,mlp_hidden,atlas\n1,2,0.5,one,sha256:abc,mlp_hidden,atlas\n",
    );
    expect(command({ ...model, name: "it's" } as Model, "m x")).toBe(`brodmann generate --model 'it'\\''s' --mask 'm x.csv' --prompt "The cat sat on"`);
  });
});

describe("chance within layers", () => {
  /** All ways to choose `n` of `width` units. */
  function* ways(n: number, width: number, from = 0): Generator<number[]> {
    if (n === 0) yield [];
    else for (let i = from; i < width; i++) for (const rest of ways(n - 1, width, i + 1)) yield [i, ...rest];
  }

  it("is the mean over all sets of as many units in each layer", () => {
    const [layers, width] = [3, 5];
    // The circuit crowds in the last layer, and so does the selection.
    const circuit = [0, 7, 10, 11, 12, 13];
    const chosen = [1, 11, 13, 14];
    const held = new Set(circuit);
    let [sum, sets] = [0, 0];
    for (const first of ways(1, width)) {
      for (const last of ways(3, width)) {
        sets++;
        sum += [...first, ...last.map((unit) => 2 * width + unit)].filter((flat) => held.has(flat)).length;
      }
    }
    const found = byChanceInLayers(perLayer(chosen, layers, width), perLayer(circuit, layers, width), [width, width, width]);
    expect(found).toBeCloseTo(sum / sets, 12);
    // What a layer that lacks such units could hold is not counted; a narrow one is more crowded.
    expect(byChanceInLayers([0, 2, 1], [0, 3, 1], [0, 4, 2])).toBeCloseTo((2 * 3) / 4 + 1 / 2, 12);
    // Anywhere in the model as many units would share fewer.
    expect(found).toBeGreaterThan((1.2 * circuit.length * chosen.length) / (layers * width));
  });

  it("stands beside the units that two estimators both find", () => {
    const a = floats([2, 4], 9, 1, 2, 3, 0, 8, 7, 1);
    const b = floats([2, 4], 5, 0, 0, 6, 0, 9, 1, 1);
    // The three highest: 0, 5, 6 and 0, 3, 5.
    expect(bothHighest(a, b, 3, [4, 4])).toEqual({ shared: 2, chance: (1 * 2) / 4 + (2 * 1) / 4 });
  });
});

describe("the overview", () => {
  it("takes the study's own rows, the most separate domain first", () => {
    const row = { model: "one", component: "neurons", sel: "s", measure: "containment", within: 0.2, cross: 0.1, ratio: 2, q: 0.01 };
    const rows = [{ ...row, domain: "b", difference: 0.1 }, { ...row, domain: "a", difference: 0.3 }, { ...row, domain: "c", difference: null }, { ...row, domain: "a", model: "two", difference: 1 }];
    expect(separations(rows, "one", "neurons", "s").map((one) => one.domain)).toEqual(["a", "b"]);
  });

  it("finds pairs of different domains only", () => {
    const two = { ...study, tasks: [{ name: "p", label: "p", domain: "a" }, { name: "q", label: "q", domain: "a" }, { name: "r", label: "r", domain: "b" }] } as unknown as Manifest;
    const file = { tasks: ["p", "q", "r"], overlap: { containment: { neurons: { s: floats([3, 3], 1, 0.9, 0.2, 0.9, 1, 0.5, 0.4, 0.1, 1) } } }, ablation: {} };
    const pairs = sharingPairs(two, file, "neurons", "s");
    expect(pairs.map(({ a, b, share }) => [a, b, Number(share.toFixed(4))])).toEqual([["p", "r", 0.3], ["q", "r", 0.3]]);
  });
});

describe("search", () => {
  const find = (query: string, file?: UnitsFile) => search(query, study, model, "neurons", file).map((hit) => hit.id);

  it("finds units however they are written, and only those that there are", () => {
    for (const query of ["L1 N2", "l1n2", "layer 1 neuron 2", "L1/2", " L1, 2 "]) expect(find(query)).toEqual(["unit:neurons/1/2"]);
    expect(find("L1 H1")).toEqual(["unit:heads/1/1"]);
    expect(find("L0 D8")).toEqual(["unit:block_output/0/8", "unit:mlp_output/0/8"]);
    expect(find("L2 N0")).toEqual([]);
    expect(find("L1 N3")).toEqual([]);
    expect(find("L1")).toEqual(["layer:1"]);
  });

  it("finds experts and routers' logits by letters of their own, where a layer has them", () => {
    const parts = [["neurons", "neurons", 8], ["experts", "experts", 4], ["router", "routers' logits", 4]] as const;
    // As DeepSeek: the first block has an MLP and no router.
    const widths: Record<string, number[]> = { neurons: [6, 8], experts: [1, 4], router: [0, 4] };
    const components = parts.map(([name, label, width]) => ({ name, label, width, widths: widths[name], site: name }));
    const mixture = { ...model, components } as unknown as Model;
    const own = (query: string) => search(query, study, mixture, "neurons", undefined);
    for (const query of ["L1 E3", "l1e3", "layer 1 expert 3"]) expect(own(query).map((hit) => [hit.id, hit.label])).toEqual([["unit:experts/1/3", "L1 E3"]]);
    for (const query of ["L1 R3", "layer 1 router 3"]) expect(own(query).map((hit) => [hit.id, hit.label])).toEqual([["unit:router/1/3", "L1 R3"]]);
    expect(own("L0 E0").map((hit) => hit.id)).toEqual(["unit:experts/0/0"]);
    for (const query of ["L0 E1", "L0 R0", "L0 N6", "L1 E4", "L1 H0"]) expect(own(query)).toEqual([]);
    expect(own("L0 D8").map((hit) => hit.id)).toEqual(["unit:block_output/0/8", "unit:mlp_output/0/8"]);
  });

  it("finds tasks by name and label, localizers, networks", () => {
    expect(find("why")).toEqual(["task:a/y_z"]);
    expect(find("y z")).toEqual(["task:a/y_z"]);
    expect(find("lang")).toEqual(["localizer:language"]);
    expect(find("the")).toEqual(["network:news/0"]);
    // Words are found where they begin.
    expect(find("ask")).toEqual([]);
    expect(find("task")).toEqual(["task:a/x", "task:a/y_z"]);
    expect(find("  ")).toEqual([]);
  });

  it("finds tokens that units promote or that drive them, whole ones first", () => {
    const driven = { highest: [{ dataset: "news", text: 0, position: 0, before: "", token: " thermal", after: "", value: 1 }], lowest: [], mean: 0, sd: 1, first: 0 };
    const file: UnitsFile = {
      units: [
        { site: "mlp_hidden", layer: 0, unit: 1, promotes: [], suppresses: [], driven },
        { site: "mlp_hidden", layer: 1, unit: 2, promotes: [[" Therm", 1]], suppresses: [] },
      ],
      networks: [], notes: [],
    };
    expect(find("therm", file)).toEqual(["token:neurons/1/2", "token:neurons/0/1"]);
  });

  it("has room for every kind: many networks do not hide a token", () => {
    const many = { ...model, networks: [{ ...model.networks[0]!, networks: Array.from({ length: 40 }, (_, i) => ({ name: `network-${i}`, n_units: 1, label: "high on “the”" })) }] } as Model;
    const file = { units: [{ site: "mlp_hidden", layer: 0, unit: 1, promotes: [["the", 1]], suppresses: [] }], networks: [], notes: [] } as UnitsFile;
    const found = search("the", study, many, "neurons", file);
    expect(found).toHaveLength(14);
    expect(found.at(-1)!.id).toBe("token:neurons/0/1");
  });

  it("says where it looked, and why there are no tokens", () => {
    const ready = (file: UnitsFile) => searched(model, { state: "ready", value: file });
    expect(searched(model, { state: "absent" })).toMatch(/^Searched: tasks, domains, units and layers by number, localizers, networks\. No tokens: .*atlas\.units/);
    expect(ready({ units: [], networks: [], notes: ["No unit has a page: atlas.units is 0."] })).toContain("No tokens: No unit has a page: atlas.units is 0.");
    const page = { site: "mlp_hidden", layer: 0, unit: 1, promotes: [["a", 1]] as [string, number][], suppresses: [] };
    expect(ready({ units: [page, { ...page, promotes: [] }], networks: [], notes: [] })).toContain("Tokens that 1 units promote");
    const matrices = { ...model, matrices_only: true, components: [], localizers: [], networks: [] } as Model;
    expect(searched(matrices, { state: "absent" })).toBe("Searched: tasks, domains. No tokens: of this model there are matrices and no units.");
  });

  it("goes where a hit leads", () => {
    const whole = { ...study, models: [model], version: 1 } as unknown as Manifest;
    manifest.value = whole;
    fromHash("#m=one", whole);
    search("L1 N2", study, model, "neurons", undefined)[0]!.go();
    expect(state.unit.value).toEqual({ site: "neurons", layer: 1, unit: 2 });
  });
});
