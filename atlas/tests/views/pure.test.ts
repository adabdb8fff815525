/** The pure parts of the linked views, against values counted by hand or in another way. */
import { describe, expect, it } from "vitest";
import { byChance, perLayer } from "../../src/chance";
import type { Circuit, FloatGrid, Net, Nets, Row, Summary } from "../../src/contract";
import { undirected, wheel } from "../../src/views/chord";
import { flow, peaks, piecesOf, runsOf, strongest, visible } from "../../src/views/courses";
import { mostSeparate, separations, together } from "../../src/views/domains";
import { circuitDoses, groupsOf, localizerDoses, localizerPanels, wrapped } from "../../src/views/doses";
import { faithfulnessRange, rivals, tasksOf } from "../../src/views/faithfulness";
import { shares, union } from "../../src/views/layers";
import { cellAt, layout, moved, pairs, reach } from "../../src/views/matrix";
import { driversOf, harm, layersOf, sideOf, sorted, tokensOf } from "../../src/views/networks";
import { ratio } from "../../src/format";
import { returning, verdict } from "../../src/views/reliability";
import { sharedBetween, sharedCount, sharedUnits } from "../../src/views/shared";
import { byCluster, byDomain, Names } from "../../src/views/tasks";
import { between, chance, decimals, powers } from "../../src/views/words";

const circuit = (...units: number[]): Circuit => ({
  units: { shape: [units.length], values: Int32Array.from(units) },
  scores: { shape: [units.length], values: Float32Array.from(units.map((_, place) => 1 / (place + 1))) },
});
const square = (...rows: number[][]): FloatGrid => ({ shape: [rows.length, rows[0]!.length], values: Float32Array.from(rows.flat()) });
const names = new Names({
  domains: [
    { name: "social", label: "social", colour: "#27AE60" },
    { name: "formal", label: "formal", colour: "#2471A3" },
  ],
  tasks: [{ name: "formal/a", label: "sums", domain: "formal" }],
});
const all = (): boolean => true;

describe("axes", () => {
  const tasks = ["formal/a", "social/b", "formal/c", "own/d"];

  it("put domains in the study's order, and those it does not know last", () => {
    const axis = byDomain(tasks, names, all);
    expect(axis.tasks).toEqual(["social/b", "formal/a", "formal/c", "own/d"]);
    expect(axis.indices).toEqual([1, 0, 2, 3]);
    expect(axis.bands.map(({ name, from, to }) => [name, from, to])).toEqual([
      ["social", 0, 1],
      ["formal", 1, 3],
      ["own", 3, 4],
    ]);
  });

  it("leave out what the model does not do", () => {
    expect(byDomain(tasks, names, (task) => task !== "formal/a").indices).toEqual([1, 2, 3]);
  });

  it("put clusters together, tasks without one last, and are not misled by names of objects", () => {
    const axis = byCluster([...tasks, "constructor"], names, all, { "formal/a": 1, "own/d": 0, "formal/c": 1 });
    expect(axis.tasks).toEqual(["own/d", "formal/a", "formal/c", "social/b", "constructor"]);
    expect(axis.bands.map((band) => band.label)).toEqual(["cluster 1", "cluster 2", "in no cluster"]);
  });
});

describe("matrices", () => {
  it("fit into their width, with or without names, and cells are found where they are drawn", () => {
    for (const [width, tasks] of [[490, 23], [396, 23], [396, 46], [900, 4]] as const) {
      const at = layout(width, tasks, 150, 2);
      expect(at.left + tasks * at.cell).toBeLessThanOrEqual(width);
      expect(at.height).toBeGreaterThan(at.controls);
      for (const [row, column] of [[0, 0], [tasks - 1, 1], [2, tasks - 1]] as const) {
        expect(cellAt(at, tasks, at.left + (column + 0.5) * at.cell, at.top + (row + 0.5) * at.cell)).toEqual([row, column]);
      }
      expect(cellAt(at, tasks, at.left - 1, at.top + 1)).toBeUndefined();
    }
    expect(layout(396, 46, 150).named).toBe(false);
  });

  it("reach as far as their largest value, without the diagonal where it is trivial", () => {
    const axis = byDomain(["formal/a", "formal/b"], names, all);
    expect(reach(square([1, -0.25], [NaN, 1]), axis, false)).toBe(0.25);
    expect(reach(square([1, -0.25], [NaN, 1]), axis, true)).toBe(1);
    expect(reach(square([1, 0.5], [1, 1.25]), axis, true, 1)).toBe(0.5);
  });

  it("keep rows and columns with their tasks when tasks are reordered", () => {
    const axis = byDomain(["formal/a", "social/b"], names, all);
    expect([...pairs(square([1, 2], [3, 4]), axis)]).toEqual([
      ["social/b", "social/b", 4],
      ["social/b", "formal/a", 3],
      ["formal/a", "social/b", 2],
      ["formal/a", "formal/a", 1],
    ]);
  });

  it("are walked over by arrow keys, and not left", () => {
    expect(moved([0, 0], "ArrowUp", 3)).toEqual([0, 0]);
    expect(moved([0, 0], "ArrowRight", 3)).toEqual([0, 1]);
    expect(moved([2, 2], "ArrowDown", 3)).toEqual([2, 2]);
    expect(moved([1, 2], "Home", 3)).toEqual([1, 0]);
    expect(moved([1, 2], "a", 3)).toBeUndefined();
  });
});

describe("shared units", () => {
  const one = circuit(7, 3, 12, 25);
  const other = circuit(25, 9, 3);

  it("are those of both circuits, with places and scores of each", () => {
    const found = sharedUnits([one, other], 10);
    expect(found.map((unit) => [unit.flat, unit.layer, unit.unit, ...unit.ranks])).toEqual([
      [3, 0, 3, 2, 3],
      [25, 2, 5, 4, 1],
    ]);
    expect(found[1]!.scores).toEqual([0.25, 1]);
    expect(sharedCount(one, other)).toBe(2);
  });

  it("are those of all circuits, the one first whose weakest score is strongest; none where one is not there", () => {
    const third = circuit(25, 3);
    expect(sharedUnits([one, other, third], 10).map((unit) => [unit.flat, ...unit.ranks])).toEqual([[3, 2, 3, 2], [25, 4, 1, 1]]);
    expect(sharedUnits([one], 10)).toHaveLength(4);
    expect(sharedUnits([one, undefined], 10)).toEqual([]);
  });

  it("are counted once, however many circuits of a group have them", () => {
    expect(sharedBetween([[one, circuit(3, 4)], [other], []])).toEqual([
      [5, 2, 0],
      [2, 3, 0],
      [0, 0, 0],
    ]);
  });

  it("by chance are as many as random draws share on average", () => {
    // All pairs of 2 of 4 and 3 of 4: by counting.
    const subsets = (size: number) => [...Array(16).keys()].filter((bits) => bits.toString(2).replaceAll("0", "").length === size);
    const shared = subsets(2).flatMap((a) => subsets(3).map((b) => (a & b).toString(2).replaceAll("0", "").length));
    expect(byChance(2, 3, 4)).toBeCloseTo(shared.reduce((sum, n) => sum + n, 0) / shared.length, 12);
  });
});

describe("layers", () => {
  it("hold the units of a map", () => {
    expect(perLayer([0, 1, 10, 29, 29], 3, 10)).toEqual([2, 1, 2]);
    expect(shares([1, 0, 3])).toEqual([25, 0, 75]);
    expect(shares([0, 0])).toEqual([NaN, NaN]);
    expect([...union([[1, 2], [2, 3]])]).toEqual([1, 2, 3]);
  });
});

describe("chords", () => {
  it("have arcs as wide as what is shared, and no ribbon to themselves", () => {
    const found = wheel([[9, 3, 1], [3, 9, 0], [1, 0, 9]], 100, 0);
    const angle = found.groups.map((group) => group.endAngle - group.startAngle);
    expect(angle[0]! / angle[2]!).toBeCloseTo(4, 9);
    expect(angle.reduce((a, b) => a + b)).toBeCloseTo(2 * Math.PI, 9);
    expect(found.ribbons.map(({ source, target, value }) => [source, target, value])).toEqual([
      [0, 1, 3],
      [0, 2, 1],
    ]);
  });

  it("leave out what is below the minimum or unknown", () => {
    expect(wheel([[1, NaN, 0.04], [NaN, 1, 0.2], [0.04, 0.2, 1]], 50, 0.1, 0.05).ribbons).toHaveLength(1);
    expect(undirected(0.2, 0.4)).toBeCloseTo(0.3);
    expect(undirected(NaN, 0.4)).toBe(0.4);
  });
});

describe("courses", () => {
  const course = {
    texts: [{ name: "first", tokens: ["A", "ü", "", "b"] }, { tokens: ["\n"] }],
    networks: square([0, 0, 0, 0, 0], [1, -2, 3, 0.5, -4]),
  };

  it("give every text its stretch of the network's row", () => {
    const [first, second] = runsOf(course as never, 1);
    expect([...first!.values, ...second!.values]).toEqual([1, -2, 3, 0.5, -4]);
    expect([first!.name, second!.name]).toEqual(["first", "text 2"]);
    expect(runsOf(course as never, 7)[0]!.values).toHaveLength(0);
  });

  it("show characters of several tokens as one piece", () => {
    const pieces = piecesOf(runsOf(course as never, 1)[0]!);
    expect(pieces.map(({ text, from, values, strongest: most }) => [text, from, values, most])).toEqual([
      ["A", 0, [1], 1],
      ["ü", 1, [-2, 3], 3],
      ["b", 3, [0.5], 0.5],
    ]);
  });

  it("are strongest where their magnitude is", () => {
    expect(strongest([1, -4, 3])).toBe(4);
    expect(peaks([1, -4, 3, NaN], 2)).toEqual([1, 2]);
    expect(visible("a\n\t")).toBe("a↵⇥");
  });

  it("flow into lines that end at a width or at the end of a line", () => {
    const lines = flow([{ text: "a", width: 6 }, { text: "b", width: 6 }, { text: "c↵", width: 2 }, { text: "d", width: 50 }], 10);
    expect(lines.map(({ x, line }) => [x, line])).toEqual([[0, 0], [0, 1], [6, 1], [0, 2]]);
  });
});

describe("doses", () => {
  const rows: Row[] = [
    { component: "neurons", sign: "positive", kind: "zero", percent: 1, domain: "formal", task: null, group: "random", n: 5, mean: 0.1, sem: 0.05 },
    { component: "neurons", sign: "positive", kind: "zero", percent: 1, domain: "formal", task: null, group: "own", n: 3, mean: 0.75, sem: null },
    { component: "neurons", sign: "positive", kind: "zero", percent: 0.1, domain: "formal", task: null, group: "own", n: 3, mean: 0.5, sem: 0.25 },
    { component: "neurons", sign: "positive", kind: "zero", percent: 0.1, domain: "formal", task: "formal/a", group: "own", n: 1, mean: 1, sem: null },
    { component: "heads", sign: "positive", kind: "zero", percent: 9, domain: "formal", task: null, group: "own", n: 3, mean: 0.5, sem: 0.25 },
  ];

  it("of circuits are those of the domain or the task that is asked for, the own first", () => {
    const about = { component: "neurons", sign: "positive", domain: "formal" };
    const [own, random] = circuitDoses(rows, about);
    expect(own!.points.map((point) => [point.x, point.value, point.low, point.high])).toEqual([
      [0.1, 0.5, 0.25, 0.75],
      [1, 0.75, NaN, NaN],
    ]);
    expect([own!.control, random!.control]).toEqual([false, true]);
    expect(circuitDoses(rows, { ...about, task: "formal/a" })[0]!.points).toHaveLength(1);
  });

  it("of localizers have the intact model and every draw of the control", () => {
    const lesion = { what: "perplexity", task: null, measure: "perplexity", n: 6, low: 1, high: 9 };
    const found = [
      { ...lesion, condition: "intact", percentage: null, seed: null, value: 3 },
      { ...lesion, condition: "lesion", percentage: 5, seed: null, value: 8 },
      { ...lesion, condition: "lesion", percentage: 1, seed: null, value: 7 },
      { ...lesion, condition: "random", percentage: 1, seed: 42, value: 4 },
      { ...lesion, condition: "random", percentage: 1, seed: 43, value: 5 },
      { ...lesion, what: "formal/a", task: "formal/a", measure: "accuracy", condition: "intact", percentage: null, seed: null, value: 1 },
    ];
    expect(localizerPanels(found).map((panel) => panel.what)).toEqual(["perplexity", "formal/a"]);
    const { intact, lines } = localizerDoses(found, { what: "perplexity", task: null });
    expect(intact!.value).toBe(3);
    expect(lines.map((line) => [line.name, line.control, line.points.map((point) => point.value)])).toEqual([
      ["lesion", false, [7, 8]],
      ["random 42", true, [4]],
      ["random 43", true, [5]],
    ]);
  });
});

describe("faithfulness", () => {
  const line = (order: string, group: string, trial: number, kind = "corrupted") =>
    [0, 50].map((fraction) => ({
      task: "formal/a", order, group, trial, sign: group === "random" ? null : "positive", kind, fraction, n: 4, faithfulness: fraction / 50, low: -3, high: 1,
    }));
  const curves = [...line("random", "random", 1), ...line("social/b", "other_domains", 0), ...line("own", "own", 0), ...line("own", "own", 0, "mean").slice(1)];
  const areas = [{ task: "formal/a", order: "own", trial: 0, sign: "positive", kind: "corrupted", cpr: 0.75, cpr_low: 0.5, cpr_high: 1 }];

  it("has the task's own order first, and each rival once", () => {
    const found = rivals(curves, areas, "formal/a");
    expect(found.map((one) => [one.order, one.control, one.points.length])).toEqual([
      ["own", false, 2],
      ["social/b", false, 2],
      ["random", true, 2],
    ]);
    expect(found[0]!.area).toEqual({ value: 0.75, low: 0.5, high: 1 });
    expect(found[1]!.area).toBeUndefined();
    expect(tasksOf(curves)).toEqual(["formal/a"]);
  });

  it("is not flattened by intervals that go far", () => {
    expect(faithfulnessRange(rivals(curves, areas, "formal/a"))).toEqual([-0.5, 1.1]);
  });
});

describe("reliability", () => {
  const at = { stable: 0.8, reliable: 0.7, moderate: 0.4 };

  it("joins halves and bootstraps, and says what counts", () => {
    const found = returning(
      { "formal/a": { n_items: 20, n_circuit: 5, split_jaccard: 0.5, ceiling: 0.7 }, "formal/b": { n_items: 9, n_circuit: 5, split_jaccard: 0.1, ceiling: null } },
      { "formal/a": { jaccard: 0.6, low: 0.4, high: 0.8, n_bootstraps: 100, stable: 0 } },
      ["formal/a", "formal/b", "toString"],
    );
    expect(found).toHaveLength(2);
    expect(found[0]).toMatchObject({ split: 0.5, bootstrap: 0.6, low: 0.4, high: 0.8, stable: false });
    expect(found[1]).toMatchObject({ bootstrap: NaN, stable: undefined });
    expect(found.map((one) => verdict(one, at))).toEqual(["reliable", "unknown"]);
    expect([0.69, 0.4, 0.39].map((ceiling) => verdict({ ...found[0]!, ceiling }, at))).toEqual(["moderately reliable", "moderately reliable", "unreliable"]);
  });
});

describe("networks", () => {
  const net = (dataset: string, network: number, n_units: number, value?: number): Net => ({
    dataset, network, n_units, percent: 1, explained: 0.1, stability: 1,
    silenced: value === undefined ? undefined : { value, low: value, high: value, n: 6, intact: 10, q: 0.1, q_random: 0.1 },
  });
  const rows = [net("news", 0, 5), net("news", 1, 50, 20), net("news", 2, 7, 90)];

  it("stand by harm, those that were not silenced last", () => {
    expect(sorted(rows, "harm").map((row) => row.network)).toEqual([2, 1, 0]);
    expect(sorted(rows, "size").map((row) => row.network)).toEqual([1, 2, 0]);
    expect(sorted(rows, "number").map((row) => row.network)).toEqual([0, 1, 2]);
    expect(harm(rows[2]!)).toBe(9);
  });

  it("have the layers and the tokens of their own rows", () => {
    const nets: Nets = { rows, layers: { news: { shape: [2, 3], values: Int32Array.of(1, 2, 3, 4, 5, 6) } }, driving: [] };
    expect(layersOf(nets, "news", 1)).toEqual([4, 5, 6]);
    expect(layersOf(nets, "news", 2)).toEqual([]);
    expect(layersOf(nets, "__proto__", 0)).toEqual([]);
    const driving: Row[] = [
      { dataset: "news", network: "network-1", text: 0, before: "", token: " the", after: "", course: -3 },
      { dataset: "news", network: "network-1", text: 1, before: "", token: "the", after: null, course: 5 },
      { dataset: "news", network: "network-1", text: 1, before: "", token: " ", after: "", course: 4 },
      { dataset: "other", network: "network-1", text: 1, before: "", token: "no", after: "", course: 9 },
    ];
    const found = driversOf(driving, "news", 1);
    expect(found.map((one) => one.course)).toEqual([5, 4, -3]);
    expect(tokensOf(found)).toEqual([["the", 2], ["␣", 1]]);
  });
});

describe("domains", () => {
  const of = { model: "m", component: "neurons", sel: "positive-0.1pct", measure: "containment" };
  const row = (domain: string, difference: number | null, extra: object = {}): Row => ({ ...of, domain, n: 9, n_domain: 4, within: 0.5, within_low: 0.25, within_high: 0.75, n_within: 6, cross: 0.125, n_cross: 20, difference, p: 0.01, q: 0.02, ...extra }) as Row;
  const summary: Summary = {
    domains: [row("formal", 0.1), row("social", 0.3), row("own", null), row("social", 0.9, { model: "other" }), row("formal", 0.9, { measure: "jaccard" })],
    all: [row("", 0.2)],
    untrained: [{ ...of, domain: "social", excess: 0.25, low: -0.125, high: 0.5, q: 0.03 }, { ...of, domain: "all", excess: 0.5, low: 0, high: 1, q: 0.5 }],
  };

  it("are those of the model, size and measure, with what is beyond the control", () => {
    const found = separations(summary, of);
    expect(found.map((one) => [one.domain, one.difference])).toEqual([["formal", 0.1], ["social", 0.3], ["own", NaN]]);
    expect(found[1]!.excess).toEqual({ value: 0.25, low: -0.125, high: 0.5, q: 0.03 });
    expect(found[0]!.excess).toBeUndefined();
    expect(found[0]!.within).toEqual({ value: 0.5, low: 0.25, high: 0.75, n: 6 });
    expect(found[0]!.cross.low).toBeNaN();
    expect(mostSeparate(found)!.domain).toBe("social");
    expect(mostSeparate([])).toBeUndefined();
    expect(together(summary, of)).toMatchObject({ domain: "all", difference: 0.2, excess: { value: 0.5 } });
  });
});

describe("words", () => {
  it("say intervals, chances and powers as print has them", () => {
    expect(between(0.125, 0.1, 0.25)).toBe("0.125 [0.1, 0.25]");
    expect(between(0.125, NaN, NaN)).toBe("0.125");
    expect(chance("q", 0.00012)).toBe("q\u00a0<\u00a00.001");
    expect(chance("p", 0.0312)).toBe("p\u00a0=\u00a00.031");
    expect(chance("p", NaN)).toBe("p not tested");
    expect([decimals(-0.00026), decimals(-0.0075), decimals(NaN)]).toEqual(["0.000", "−0.007", "–"]);
    expect([powers(100), powers(1e4), powers(1e6), powers(1e-2), powers(35)]).toEqual(["100", "10⁴", "10⁶", "10⁻²", "35"]);
  });
});

describe("groups of one size", () => {
  it("are one for all draws of random units", () => {
    const rows: Row[] = ["lesion", "random", "random"].map((condition, i) => ({ what: "perplexity", task: null, measure: "perplexity", condition, percentage: 1, seed: i, n: 6, value: 40, low: 39, high: 41 }));
    const { lines } = localizerDoses(rows, { what: "perplexity", task: null });
    expect(lines).toHaveLength(3);
    expect(groupsOf(lines)).toEqual(["the localizer's units", "as many random units"]);
  });

  it("have names of several lines, in the words' order", () => {
    const lines = wrapped("circuits of other domains", 13, (text) => text.length);
    expect(lines).toEqual(["circuits of", "other domains"]);
    // A word that is too long has a line of its own.
    expect(wrapped("antidisestablishment x", 5, (text) => text.length)).toEqual(["antidisestablishment", "x"]);
  });
});

it("factors keep the digits that tell them from 1", () => {
  expect([1, 1.0004, 1.03, 2, 11.26, 906.4, 12345, 0.97, 0.01, NaN, null].map(ratio)).toEqual(["1.000", "1.000", "1.03", "2.00", "11.3", "906", "12,345", "0.97", "0.01", "–", "–"]);
});

it("places of a network say on which side of its mean they lie", () => {
  const row = { dataset: "news", network: "network-1", text: 0, before: "", token: "a", after: "" };
  const side = (...courses: number[]) => sideOf(driversOf(courses.map((course) => ({ ...row, course })), "news", 1));
  expect([side(2, 1, -0.5), side(-2, -1, 0.5), side()]).toEqual(["high", "low", "high"]);
});
