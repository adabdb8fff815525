import { beforeEach, describe, expect, it } from "vitest";
import type { Manifest, Model } from "../src/contract";
import { manifest } from "../src/data";
import {
  clearSelection, countOfRuns, fromHash, runsOfUnits, selectColour, selectLasso, selectModel, selectNetwork, selectTasks, selectUnit, state, toHash, toggleTask,
  unitsOfRuns,
} from "../src/state";

const included = { included: true, reason: "", accuracy: 1, n_items: 9 };
const model = (name: string, more: Partial<Model> = {}): Model => ({
  name, label: name, control: false, matrices_only: false, layers: 8,
  components: [{ name: "neurons", label: "neurons", width: 64, site: "mlp_hidden" }, { name: "heads", label: "heads", width: 4, site: "heads" }],
  estimators: ["patching"], tasks: { "a/x": included, "a/y, z": included, "b/x": { ...included, included: false } },
  sels: ["positive-0.1pct", "positive-1.0pct"], main_sel: "positive-0.1pct",
  localizers: [{ name: "language", label: "language", site: "block_output", width: 32, selections: [] }],
  networks: [{ dataset: "news/of today", site: "mlp_output", width: 32, method: "canica", networks: [{ name: "network-0", n_units: 1, label: "x" }] }],
  binned: false, files: {}, ...more,
});
const study: Manifest = {
  version: 1, title: "t", made: { brodmann: "0", date: "", config_hash: "", command: "" }, shared: "#9B59B6",
  domains: [{ name: "a", label: "a", colour: "#000000" }, { name: "b", label: "b", colour: "#111111" }],
  tasks: [{ name: "a/x", label: "x", domain: "a" }, { name: "a/y, z", label: "y", domain: "a" }, { name: "b/x", label: "bx", domain: "b" }],
  models: [model("one"), model("two", { control: true, of: "one", networks: [], localizers: [], layers: 4 })],
};

beforeEach(() => {
  manifest.value = study;
  fromHash("", study);
});

const again = (): string => {
  const hash = toHash();
  fromHash("", study);
  fromHash(`#${hash}`, study);
  expect(toHash()).toBe(hash);
  return hash;
};

describe("the address", () => {
  it("starts with the first model that is no control, and says no more than that", () => {
    expect(toHash()).toBe("m=one");
  });

  it("brings everything back", () => {
    selectTasks("a/x", "a/y, z");
    selectUnit({ site: "block_output", layer: 3, unit: 31 });
    selectLasso({ site: "neurons", runs: runsOfUnits([5, 6, 7, 40]) });
    selectNetwork({ dataset: "news/of today", network: 0 });
    state.order.value = "domain";
    state.sel.value = "positive-1.0pct";
    state.domain.value = "b";
    state.compare.value = { model: "two" };
    state.window.value = { x: 12.5, y: 2, k: 3 };
    const hash = again();
    expect(hash).toContain("lasso=neurons:5-7.40");
    expect(state.tasks.value).toEqual(["a/x", "a/y, z"]);
    expect(state.unit.value).toEqual({ site: "block_output", layer: 3, unit: 31 });
    expect(state.colour.value).toEqual({ by: "network", dataset: "news/of today", network: 0 });
    expect(state.window.value).toEqual({ x: 12.5, y: 2, k: 3 });
    expect(state.compare.value).toEqual({ model: "two" });
  });

  it("is read as far as it can be, whatever it holds", () => {
    for (const hash of [
      "#m=%E0%A4%A&tasks=%", "#m=__proto__&colour=task:__proto__&tasks=constructor", "#layer=-1&unit=1e9&at=1,2", "#at=NaN,NaN,NaN", "#layer=99999&unit=3", "#lasso=x:9-3.a",
      "#colour=network:news/of today/7", "#cmp=model:nobody", "#sel=<script>", "#=&&&==",
    ]) {
      fromHash(hash, study);
      expect(state.model.value).toBe("one");
      expect(state.colour.value).toEqual({ by: "domain" });
      expect(state.tasks.value).toEqual([]);
      expect(state.sel.value).toBe("positive-0.1pct");
      expect(state.unit.value).toBeUndefined();
      expect(state.lasso.value).toBeUndefined();
      expect(state.window.value).toBeUndefined();
    }
  });
});

describe("choosing", () => {
  it("colours by one task, mixes several, and by domain again when none is left", () => {
    selectTasks("a/x");
    expect(state.colour.value).toEqual({ by: "task", task: "a/x" });
    toggleTask("a/y, z");
    expect(state.colour.value).toEqual({ by: "tasks" });
    toggleTask("a/x");
    expect(state.colour.value).toEqual({ by: "task", task: "a/y, z" });
    selectTasks();
    expect(state.colour.value).toEqual({ by: "domain" });
  });

  it("of another model drops what that does not have", () => {
    selectNetwork({ dataset: "news/of today", network: 0 });
    selectUnit({ site: "neurons", layer: 7, unit: 1 });
    state.compare.value = { model: "two" };
    selectModel("two");
    expect(state.colour.value).toEqual({ by: "domain" });
    expect(state.network.value).toBeUndefined();
    expect(state.unit.value).toBeUndefined();
    expect(state.layer.value).toBeUndefined();
    expect(state.compare.value).toBeUndefined();
  });

  it("is undone by Esc, and the map stays as it is", () => {
    selectColour({ by: "localizer", localizer: "language" });
    selectUnit({ site: "neurons", layer: 1, unit: 1 });
    selectLasso({ site: "neurons", runs: [[1, 2]] });
    clearSelection();
    expect(toHash()).toBe("m=one&colour=localizer:language");
  });
});

it("runs and units are the same set", () => {
  const units = [9, 3, 4, 5, 100, 4, 8];
  const runs = runsOfUnits(units);
  expect(runs).toEqual([[3, 5], [8, 9], [100, 100]]);
  expect(unitsOfRuns(runs)).toEqual([3, 4, 5, 8, 9, 100]);
  expect(countOfRuns(runs)).toBe(6);
});
