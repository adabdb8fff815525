/** Attributions by several estimators: chosen, in the address, side by side, and their difference unit by unit. */
import { beforeEach, describe, expect, it } from "vitest";
import type { Manifest, Model, Scores } from "../src/contract";
import { build, type Read } from "../src/cortex/build";
import { manifest } from "../src/data";
import { fromHash, otherSource, selectColour, selectCompare, selectEstimator, source, state, toHash } from "../src/state";

const included = { included: true, reason: "", accuracy: 1, n_items: 32 };
const model: Model = {
  name: "one", label: "one", control: false, matrices_only: false, layers: 2,
  components: [{ name: "neurons", label: "neurons", width: 3, site: "mlp_hidden", estimator: "patching", tried: ["relp at all", "ig at last"] }],
  estimators: ["patching"], tasks: { "a/x": included }, sels: ["positive-0.1pct"], main_sel: "positive-0.1pct", localizers: [], networks: [], binned: false,
  files: { "neurons.scores.a/x": "own", "neurons.tried.relp at all.a/x": "relp", "neurons.order": "order" },
};
const study: Manifest = {
  version: 1, title: "t", made: { brodmann: "0", date: "", config_hash: "", command: "" }, shared: "#9B59B6",
  domains: [{ name: "a", label: "a", colour: "#000000" }], tasks: [{ name: "a/x", label: "task x", domain: "a" }], models: [model],
};
const floats = (...values: number[]) => ({ shape: [2, 3], values: Float32Array.from(values) });
const FILES: Record<string, Scores | { domain: { shape: number[]; values: Uint16Array }; how: string }> = {
  own: { scores: floats(1, 2, 3, 4, 5, 6) },
  relp: { scores: floats(0.5, 0, 3, -4, 5, 8), n_items: 12 },
  // The second layer stands backwards.
  order: { domain: { shape: [2, 3], values: Uint16Array.from([0, 1, 2, 2, 1, 0]) }, how: "" },
};
const read: Read = (file) => ({ state: "ready", value: FILES[file] as never });
const field = (order: "index" | "domain" = "index") => {
  const own = source.value!;
  const found = build(
    { study, ...own, component: model.components[0], colour: state.colour.value, order, sel: "positive-0.1pct", tasks: state.tasks.value, domain: undefined, other: otherSource.value, dark: false, near: true, end: undefined },
    read,
  );
  if (found.state !== "ready") throw new Error(JSON.stringify(found));
  return found.field;
};

beforeEach(() => {
  manifest.value = study;
  fromHash("m=one&colour=task:a/x", study);
});

describe("an estimator", () => {
  it("gives the map its scores, and says on how many items it was tried", () => {
    expect([...field().values!]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(field().caption).toContain("mean over 32 items");
    selectEstimator("relp at all");
    expect([...field().values!]).toEqual([0.5, 0, 3, -4, 5, 8]);
    expect(field().caption).toMatch(/Attribution by relp at all .*mean over 12 items.*the study's own estimator \(patching\)/);
  });

  it("that was not tried on a task is told", () => {
    selectEstimator("ig at last");
    expect(() => field()).toThrow("ig at last was not tried on task x: attribution.agreement.tasks says on what.");
  });

  it("is compared with another, or with the study's own: the difference is unit by unit, in either order", () => {
    selectCompare({ estimator: "relp at all" });
    selectColour({ by: "difference", task: "a/x" });
    expect(field().title).toBe("task x: patching − relp at all");
    expect([...field().values!]).toEqual([0.5, 2, 0, 8, 0, -2]);
    expect([...field("domain").values!]).toEqual([0.5, 2, 0, -2, 0, 8]);
    expect(field().says(1, 0)).toBe("4 − (−4) = +8");
    expect(field().caption).toContain("They are means over 32 and 12 items.");
    const hash = toHash();
    expect(hash).toBe("m=one&colour=difference:a/x&cmp=estimator:relp%20at%20all");
    selectEstimator("relp at all");
    // Not with itself.
    expect(state.compare.value).toBeUndefined();
    selectCompare({ estimator: "patching" });
    expect([...field().values!]).toEqual([-0.5, -2, 0, -8, 0, 2]);
    const back = toHash();
    fromHash(hash, study);
    expect(otherSource.value).toEqual({ model, estimator: "relp at all" });
    fromHash(back, study);
    expect([source.value, otherSource.value]).toEqual([{ model, estimator: "relp at all" }, { model, estimator: undefined }]);
  });

  it("that the study did not try is ignored in an address", () => {
    for (const hash of ["#m=one&by=magic", "#m=one&cmp=estimator:magic", "#m=one&cmp=estimator:patching"]) {
      fromHash(hash, study);
      expect(toHash()).toBe("m=one");
    }
  });
});
