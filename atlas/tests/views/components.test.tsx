// @vitest-environment happy-dom
/** The linked views as people meet them: what they say, what a click selects, what a hostile name does not do. */
import { act } from "preact/test-utils";
import { describe, expect, it, vi } from "vitest";
import { fromHash, selectOption, state, toHash } from "../../src/state";
import { views } from "../../src/views";
import { draw, HOSTILE, MODELS, STUDY, TASKS } from "./study";

// On a busy machine a drawing may take long, which says nothing.
vi.setConfig({ testTimeout: 120_000 });
// Nothing is on a screen here: views are drawn at once.
delete (globalThis as { IntersectionObserver?: unknown }).IntersectionObserver;

const view = (id: string) => views.find((one) => one.id === id)!;
const show = (id: string, hash = "m=m"): HTMLElement => draw(view(id).component, hash);
const click = (element: Element | null | undefined): void => {
  if (!element) throw new Error("nothing to click");
  act(() => void element.dispatchEvent(new MouseEvent("click", { bubbles: true })));
};
const press = (element: Element, key: string): void =>
  void act(() => void element.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })));
const open = (root: HTMLElement): string[][] => {
  const details = root.querySelector("details")!;
  act(() => {
    details.open = true;
    details.dispatchEvent(new Event("toggle"));
  });
  return [...details.querySelectorAll("tbody tr")].map((row) => [...row.children].map((cell) => cell.textContent ?? ""));
};

describe("every view", () => {
  it.each(views.map((one) => one.id))("%s draws a picture, says what it is, and gives itself away", (id) => {
    const root = show(id, `m=m&tasks=${TASKS[0]},${TASKS[2]}`);
    expect(root.querySelector("svg.picture, .view-tokens")).not.toBeNull();
    expect(root.querySelector(".view-caption")!.textContent!.length).toBeGreaterThan(40);
    expect([...root.querySelectorAll(".take button")].map((button) => button.textContent)).toEqual(["SVG", "PNG", "CSV"]);
    expect(open(root).length).toBeGreaterThan(0);
    // In an SVG the attribute has no capital: `tabIndex` would be none.
    for (const button of root.querySelectorAll("svg [role=button], svg[role=application]")) expect(button.hasAttribute("tabindex")).toBe(true);
    for (const picture of root.querySelectorAll("svg.picture[role]")) expect(picture.getAttribute("aria-label")).toBeTruthy();
  });

  it.each(views.map((one) => one.id))("%s shows hostile names as text", (id) => {
    const root = show(id, `m=m&tasks=${encodeURIComponent(TASKS[3]!)},${TASKS[0]}&net=news/1`);
    open(root);
    expect(root.querySelector("img")).toBeNull();
    expect((globalThis as { hurt?: number }).hurt).toBeUndefined();
  });

  it.each(views.map((one) => one.id))("%s says what is lacking where a model has matrices only, or draws them", (id) => {
    const missing = view(id).needs(MODELS[2]!);
    if (missing !== undefined) expect(missing).toMatch(/matrices only|\b[a-z]+\.[a-zA-Z_]+/);
    else expect(show(id, "m=published").textContent!.length).toBeGreaterThan(20);
  });
});

describe("domains", () => {
  it.each(["domains", "chord", "overlap", "ablation", "reliability", "layers"])("in %s have their marks beside their colours", (id) => {
    const text = show(id).textContent!;
    expect(text).toContain("●");
    expect(text).toContain("■");
  });
});

describe("one size", () => {
  it("is named, and groups stand side by side instead of a dose", () => {
    const root = show("doses");
    const names = [...root.querySelectorAll(".axis text[text-anchor=middle]")].map((text) => [...text.querySelectorAll("tspan")].map((line) => line.textContent).join(" ")).filter(Boolean);
    expect(names).toEqual(["its own circuit", "random units, any layer"]);
    expect(root.textContent).toContain("0.1 % of units silenced");
    // Each point stands over its name.
    const xs = [...root.querySelectorAll("circle.hit")].map((hit) => Number(hit.getAttribute("cx")));
    const ticks = [...root.querySelectorAll(".axis tspan:first-child")].map((line) => Number(line.getAttribute("x")));
    expect(xs).toEqual(ticks);
  });
});

describe("the matrices", () => {
  it("select a pair by a click on its cell, and by arrow keys and Enter", () => {
    const root = show("overlap");
    const cells = root.querySelectorAll(".cells rect");
    expect(cells).toHaveLength(16);
    click(cells[2]);
    expect(state.tasks.value).toEqual([TASKS[0], TASKS[2]]);
    const picture = root.querySelector("svg.picture")!;
    for (const key of ["ArrowDown", "ArrowDown", "ArrowRight", "Enter"]) press(picture, key);
    expect(state.tasks.value).toEqual([TASKS[1]]);
    expect(root.querySelector("[aria-live]")!.textContent).toContain("itself");
  });

  it("have the measure and the order of the address, and a table of the same numbers", () => {
    expect(open(show("overlap")).find((row) => row[0] === TASKS[0] && row[1] === TASKS[1])![2]).toBe("0.5");
    expect(open(show("overlap", "m=m&o=overlap.measure:jaccard"))[1]![2]).toBe("0.25");
    const clustered = open(show("overlap", "m=m&o=overlap.order:cluster"));
    expect(clustered.slice(0, 4).map((row) => row[1])).toEqual([TASKS[0], TASKS[2], TASKS[1], TASKS[3]]);
  });

  it("say the mean with its interval, and that of the control", () => {
    const caption = show("overlap").querySelector(".view-caption")!.textContent;
    expect(caption).toContain("4 tasks");
    expect(caption).toContain("within domains 0.5 [0.375, 0.625]");
    expect(caption).toContain("Control: untrained");
  });

  it("draw as many random units as controls, with the items of each task", () => {
    const root = show("ablation");
    expect([...root.querySelectorAll("g.control > text")].map((text) => text.textContent)).toEqual(["same layers", "any layer"]);
    const last = open(root).at(-1)!;
    expect(last).toEqual([TASKS[3], TASKS[3], "0.75", "0.125", "0.25", "16"]);
    expect(root.querySelector(".view-caption")!.textContent).toContain("2 draws");
  });

  it("mark the circuits that hold the chosen unit", () => {
    const root = show("overlap", "m=m&layer=1&unit=1");
    expect(root.querySelectorAll("circle.has")).toHaveLength(4);
    expect(show("overlap", "m=m&layer=0&unit=1").querySelectorAll("circle.has")).toHaveLength(1);
  });
});

describe("shared units", () => {
  it("are listed with their scores in both tasks, and a click selects one", () => {
    const root = show("shared", `m=m&tasks=${TASKS[0]},${TASKS[2]}`);
    expect(root.querySelector(".view-answer")!.textContent).toContain("2 shared units");
    expect(open(root)).toEqual([
      ["L1 N1", "1", "1", "1", "1", "0.875", "2"],
      ["L2 N4", "2", "4", "0.75", "3", "1", "1"],
    ]);
    click(root.querySelectorAll(".row")[1]);
    expect(state.unit.value).toEqual({ site: "neurons", layer: 2, unit: 4 });
    expect(root.querySelector(".view-caption")!.textContent).toContain("by chance it would be 0.667"); // 4 * 4 / 24
  });

  it("ask for two tasks where none are chosen, and offer pairs of different domains", () => {
    const root = show("shared");
    const first = root.querySelector(".view-pairs button")!;
    expect(first.parentElement!.textContent).toContain("2 units");
    click(first);
    expect(state.tasks.value).toEqual([TASKS[0], TASKS[2]]);
  });
});

describe("answers", () => {
  it("name the most separate domain with its test, and what the control has", () => {
    const root = show("domains");
    const answer = root.querySelector(".view-answer")!.textContent!;
    expect(answer).toContain("Most separate: language, 0.375 more within than across (q\u00a0=\u00a00.02)");
    expect(answer).toContain("0.250 [0.125, 0.375] more than the untrained control");
    expect(root.querySelectorAll("g.control").length).toBeGreaterThan(0);
    click(root.querySelectorAll(".row")[1]);
    expect(state.domain.value).toBe("formal");
  });

  it("name the most harmful network, what it responds to, and as many random units", () => {
    const root = show("networks");
    const answer = root.querySelector(".view-answer")!.textContent!;
    expect(answer).toContain(`news 1, ${HOSTILE} (6 units), perplexity × 11.0`);
    expect(answer).toContain("as many random units × 1.05");
    expect(answer).toContain(HOSTILE);
    click(root.querySelector(".row"));
    expect(state.network.value).toEqual({ dataset: "news", network: 1 });
  });

  it("count reliable circuits", () => {
    expect(show("reliability").querySelector(".view-answer")!.textContent).toContain("1 of 2 circuits are reliable");
  });

  it("show the most harmful network over the text until another is chosen", () => {
    const root = show("courses");
    const tokens = root.querySelectorAll(".view-tokens span");
    expect([...tokens].map((token) => token.textContent)).toEqual(["The", " rain", HOSTILE]);
    press(root.querySelector(".view-tokens")!, "ArrowRight");
    press(root.querySelector(".view-tokens")!, "ArrowRight");
    expect(root.querySelector("[aria-live]")!.textContent).toContain("−2");
    expect(open(show("courses", "m=m&net=news/0")).map((row) => row[2])).toEqual(["0", "0", "0"]);
  });
});

describe("layers", () => {
  it("count the units of the chosen tasks, and arrow keys select a layer", () => {
    const root = show("layers", `m=m&tasks=${TASKS[0]}&layer=0`);
    expect(open(root).map((row) => row.slice(0, 2))).toEqual([["0", "2"], ["1", "1"], ["2", "1"]]);
    press(root.querySelector("svg.picture")!, "ArrowRight");
    expect(state.layer.value).toBe(1);
  });

  it("have the lasso as a map of its own", () => {
    expect(show("layers", "m=m&lasso=neurons:0-7.23").textContent).toContain("the selected units (9)");
  });
});

describe("two models", () => {
  it("have their matrices on one scale, each with its own picture to take away", () => {
    const root = show("overlap", "m=m&cmp=model:m-untrained");
    expect(root.querySelectorAll("svg.picture")).toHaveLength(2);
    expect([...root.querySelectorAll("h3")].map((head) => head.textContent)).toEqual(["model", "untrainedcontrol"]);
    expect(root.querySelectorAll(".take")).toHaveLength(2);
    const [one, other] = [...root.querySelectorAll("svg.picture")].map((svg) => svg.querySelectorAll(".cells rect")[1]!.getAttribute("fill"));
    expect(one).toBe(other);
  });

  it("of which one is only matrices are compared, too", () => {
    expect(show("ablation", "m=published&cmp=model:m").querySelectorAll("svg.picture")).toHaveLength(2);
  });
});

describe("the address", () => {
  it("has what is chosen within a view, whatever signs that has", () => {
    fromHash("m=m", STUDY);
    selectOption("doses.what", "language/100 %, a:b");
    selectOption("overlap.order", "cluster");
    selectOption("overlap.order", undefined);
    const hash = toHash();
    fromHash("m=m", STUDY);
    expect(state.options.value).toEqual({});
    fromHash(hash, STUDY);
    expect(state.options.value).toEqual({ "doses.what": "language/100 %, a:b" });
  });
});
