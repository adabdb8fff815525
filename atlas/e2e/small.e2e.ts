/** A small study with everything in it, hostile names included. */
import { readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { folder, launch, open, settled, shoot } from "./browser";

const atlas = folder("SMALL")!;
const HOSTILE = "</script><script>globalThis.hacked=1</script><img src=x onerror=globalThis.hacked=1>";
let browser: Browser;
beforeAll(async () => void (browser = await launch()));
afterAll(() => browser.close());

/** Opens, does something, and checks that the page did nothing wrong meanwhile. */
async function visit(hash: string, act: (page: Page, files: string[]) => Promise<void>, options = {}): Promise<void> {
  const opened = await open(browser, atlas, hash, options);
  await settled(opened.page);
  await act(opened.page, opened.files);
  const hacked = await opened.page.evaluate(() => "hacked" in globalThis);
  expect(opened.wrongs).toEqual([]);
  expect(hacked).toBe(false);
  await opened.close();
}

const panel = (page: Page) => page.locator("aside");
const hash = (page: Page) => page.evaluate(() => new Promise<string>((resolve) => setTimeout(() => resolve(location.hash), 250)));
const download = async (page: Page, button: string, within = "body"): Promise<string> => {
  const [file] = await Promise.all([page.waitForEvent("download"), page.locator(within).getByRole("button", { name: button, exact: true }).first().click()]);
  return readFileSync((await file.path())!, "utf8");
};

describe("the four questions", () => {
  it("which domain is most separate", () =>
    visit("", async (page) => {
      const first = panel(page).getByRole("region", { name: "How separate are the domains?" }).getByRole("row").nth(1);
      // Within, across, their difference, and its q.
      await expect.poll(() => first.innerText()).toMatch(/formal\s+40\.0\s%\s+10\.0\s%\s+30\.0\s%\s+0\.02/);
      await first.getByRole("button").click();
      expect(await hash(page)).toContain("domain=formal");
    }));

  it("which units two tasks share", () =>
    visit("", async (page) => {
      await page.getByRole("combobox", { name: "Search tasks, units, networks and tokens" }).fill("formal task 1");
      await page.keyboard.press("Enter");
      await page.getByLabel("What does it share with").selectOption({ label: "social task 2" });
      await settled(page);
      await expect.poll(() => panel(page).innerText()).toContain("shared units");
      const units = await panel(page).getByRole("table").getByRole("button").allInnerTexts();
      expect(units).toContain("L2 N6");
      expect(units).toContain("L2 N7");
      expect(await hash(page)).toContain("tasks=formal/task_1,social/task_2");
    }));

  it("what the most harmful network responds to", () =>
    visit("", async (page) => {
      const row = panel(page).getByRole("region", { name: "Which networks does the model need most?" }).getByRole("row").nth(1);
      expect(await row.innerText()).toMatch(/zebra[\s\S]*× 2[\s\S]*× 1.03/);
      await row.getByRole("button").click();
      await settled(page);
      expect(await panel(page).innerText()).toContain("What drives it");
      expect(await panel(page).locator("mark").first().innerText()).toBe(HOSTILE);
      expect(await panel(page).innerText()).toContain("its course is high here");
      expect(await panel(page).getByRole("region", { name: "Where its course is low" }).innerText()).toContain("−1.5");
    }));

  it("whether the untrained model has any of it", () =>
    visit("#m=tiny@200&colour=task:formal/task_1", async (page) => {
      await page.getByLabel("tiny@200 with").selectOption("model:tiny-untrained");
      await settled(page);
      const maps = page.locator("#compare canvas");
      expect(await maps.count()).toBe(3);
      expect(await page.locator("#compare").innerText()).toContain("tiny-untrained (control)");
    }));
});

describe("a unit's page", () => {
  it("says everything, and shows hostile names and tokens as text", () =>
    visit("#layer=2&unit=6", async (page) => {
      const text = await panel(page).innerText();
      for (const part of ["L2 N6", "In 12 of 12 circuits", "t = ", "“zebra”", "promotes", "suppresses", "stripes", "What drives it most", "+0.125"]) expect(text).toContain(part);
      expect(text).toContain(HOSTILE);
      expect(await panel(page).getByRole("button", { name: `${HOSTILE}: +` }).count()).toBe(1);
      const table = await download(page, "Take away the data as CSV", "aside");
      const lines = table.trim().split("\n");
      expect(lines[0]).toBe("model,component,layer,unit,task,attribution,rank,n_items,circuits");
      expect(lines.length).toBe(13);
      const svg = await download(page, "Take away as SVG", "aside");
      expect(await page.evaluate((text) => new DOMParser().parseFromString(text, "image/svg+xml").querySelector("parsererror")?.textContent ?? "", svg)).toBe("");
    }));

  it("of a head, and of what a study does not have, in one line each", () =>
    visit("#c=heads&layer=1&unit=3&site=heads", async (page) => {
      const text = await panel(page).innerText();
      expect(text).toContain("L1 H3");
      expect(text).toContain("localizer.site");
      expect(text).toContain("networks.site");
      expect(text).toContain("atlas.units");
    }));

  it("is found by name, by token and by keyboard", () =>
    visit("", async (page) => {
      await page.keyboard.press("/");
      await page.keyboard.type("L2 N7");
      await page.keyboard.press("Enter");
      await settled(page);
      expect(await panel(page).innerText()).toContain("L2 N7");
      await page.keyboard.press("/");
      await page.keyboard.type("stripes");
      await page.locator("#hits [role=option]").first().waitFor();
      expect(await page.locator("#searched").innerText()).toMatch(/^Searched: .*Tokens that 1 units promote/);
      await page.keyboard.press("Enter");
      await settled(page);
      expect(await hash(page)).toMatch(/unit=6|net=news\/0/);
      await page.keyboard.press("m");
      await page.keyboard.press("ArrowRight");
      await page.keyboard.press("ArrowUp");
      await settled(page);
      expect(await hash(page)).toMatch(/layer=3&unit=7/);
      expect(await page.locator("#readout").innerText()).toContain("L3 N7");
      await page.keyboard.press("Escape");
      expect(await hash(page)).not.toContain("unit=");
    }));
});

describe("the map", () => {
  it("zooms, pans and comes back with a link", () =>
    visit("#colour=task:language/task_0", async (page) => {
      const canvas = page.locator(".cortex canvas");
      const box = (await canvas.boundingBox())!;
      await canvas.click({ position: { x: box.width / 2, y: box.height / 2 } });
      await page.mouse.move(box.x + 300, box.y + 60);
      await page.mouse.wheel(0, -400);
      await settled(page);
      const linked = await hash(page);
      expect(linked).toMatch(/at=[\d.]+,[\d.]+,[\d.]+/);
      const before = await canvas.screenshot();
      const again = await open(browser, atlas, linked);
      await settled(again.page);
      expect(await hash(again.page)).toBe(linked);
      await again.page.mouse.move(box.x + 300, box.y + 60);
      expect(await again.page.locator("#readout").innerText()).toBe(await page.locator("#readout").innerText());
      await again.close();
      await page.getByRole("button", { name: "Whole map" }).click();
      await settled(page);
      expect((await canvas.screenshot()).equals(before)).toBe(false);
    }));

  it("moves to a unit that is chosen elsewhere", () =>
    visit("#colour=task:formal/task_1&at=50,3,40", async (page) => {
      await panel(page).getByRole("button", { name: "L2 N6", exact: true }).click();
      await settled(page);
      const [x, , k] = /at=([\d.]+),([\d.]+),([\d.]+)/.exec(await hash(page))!.slice(1).map(Number);
      expect(x!).toBeLessThanOrEqual(6);
      expect(k).toBe(40);
    }));

  it("has exact colours: the strongest unit is the reddest pixel", () =>
    visit("#colour=task:language/task_0", async (page) => {
      const { layer, unit } = JSON.parse(process.env.ATLAS_BEST ?? "{}") as { layer: number; unit: number };
      const colour = await page.evaluate(({ layer, unit }) => {
        const canvas = document.querySelector<HTMLCanvasElement>(".cortex canvas")!;
        const [left, right, top, bottom] = [34, 10, 6, 22];
        const width = (canvas.width - left - right) / 64;
        const height = (canvas.height - top - bottom) / 6;
        return [...canvas.getContext("2d")!.getImageData(left + (unit + 0.5) * width, top + (5.5 - layer) * height, 1, 1).data.slice(0, 3)];
      }, { layer, unit });
      // The end of the red half of the scale (palette.ts).
      expect(colour[0]! - colour[2]!).toBeGreaterThan(80);
      expect(colour[0]!).toBeLessThan(190);
    }));

  it("is lassoed; the selection is a mask with its command", () =>
    visit("#colour=task:formal/task_0", async (page) => {
      const box = (await page.locator(".cortex canvas").boundingBox())!;
      const cell = (box.width - 44) / 64;
      const row = (box.height - 28) / 6;
      const [x, y] = [box.x + 34, box.y + 6 + 3 * row];
      await page.keyboard.down("Shift");
      await page.mouse.move(x + 1, y + 2);
      await page.mouse.down();
      for (const [dx, dy] of [[8 * cell - 1, 2], [8 * cell - 1, row - 3], [1, row - 3]]) await page.mouse.move(x + dx!, y + dy!, { steps: 4 });
      await page.mouse.up();
      await page.keyboard.up("Shift");
      await settled(page);
      expect(await panel(page).innerText()).toContain("8 units");
      expect(await hash(page)).toContain("lasso=neurons:128-135");
      const mask = (await download(page, "Mask as CSV", "aside")).trim().split("\n");
      expect(mask[0]).toBe("layer,unit,score,model,weights,site,selection");
      expect(mask.slice(1).map((line) => line.split(",").slice(0, 2).join("/"))).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((unit) => `2/${unit}`));
      expect(mask[1]).toMatch(/,tiny@100,sha256:0123456789ab,mlp_hidden,atlas$/);
      expect(await panel(page).locator(".command code").innerText()).toBe('brodmann generate --model tiny@100 --mask tiny@100.selection-of-8.csv --prompt "The cat sat on"');
      await panel(page).getByRole("button", { name: "Keep only units of circuits" }).click();
      expect(await panel(page).innerText()).toContain("units");
      await shoot(page, "lasso");
    }));

  it("is taken away as SVG, PNG and CSV", () =>
    visit("#colour=localizer:language", async (page) => {
      const svg = await download(page, "Take the map away as SVG");
      expect(await page.evaluate((text) => new DOMParser().parseFromString(text, "image/svg+xml").querySelectorAll("parsererror, image").length, svg)).toBe(1);
      const table = await download(page, "Take the cells in view away as CSV");
      expect(table.trim().split("\n").length).toBe(1 + 6 * 64);
      const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Take the map away as PNG" }).click()]);
      expect(readFileSync((await file.path())!).subarray(1, 4).toString()).toBe("PNG");
    }));

  it.each(["domain", "tasks&tasks=formal/task_0,language/task_0,social/task_1", "network:news/0", "silencing", "task:language/task_0&order=domain"])("is coloured by %s", (colour) =>
    visit(`#colour=${colour}`, async (page) => {
      expect(await page.locator(".cortex .absent").count()).toBe(0);
      expect(await page.locator(".cortex .caption").innerText()).toMatch(/tiny@100/);
    }));
});

describe("comparing", () => {
  it("shows both maps and their difference; a slider goes through the series", () =>
    visit("#m=tiny@200&colour=task:formal/task_1&cmp=model:tiny-untrained", async (page) => {
      expect(await page.locator("#compare canvas").count()).toBe(3);
      const ends = () => page.locator("#compare .pair .bar").allInnerTexts();
      // An untrained control would fill a common scale by its noise: it has one when asked.
      const apart = await ends();
      expect(apart[0]).not.toBe(apart[1]);
      await page.getByLabel("both on one scale").check();
      await expect.poll(async () => new Set(await ends()).size).toBe(1);
      await shoot(page, "compare", true);
      await page.getByRole("slider").focus();
      await page.keyboard.press("ArrowLeft");
      await settled(page);
      expect(await hash(page)).toContain("m=tiny@100");
    }));
});

describe("two estimators", () => {
  it("are chosen, stand side by side, and have a difference", () =>
    visit("#m=tiny@200&colour=task:formal/task_1", async (page) => {
      await page.getByLabel("tiny@200 with").selectOption("estimator:relp at all");
      await settled(page);
      expect(await page.locator("#compare canvas").count()).toBe(3);
      // Half of every score by the other one: the same units are highest.
      expect(await page.locator("#compare").innerText()).toMatch(/Of the 10 units .* 10 are among the 10 of the other/);
      await page.getByLabel("Colour by").selectOption("difference:formal/task_1");
      await settled(page);
      expect(await page.locator("#cortex-title").innerText()).toBe("formal task 1: patching − relp at all");
      await page.getByLabel("Attribution by").selectOption("relp at all");
      await settled(page);
      // What was compared with is now itself.
      expect(await hash(page)).toMatch(/by=relp%20at%20all/);
      expect(await page.locator(".cortex").innerText()).toContain("Choose under Compare what is to be subtracted.");
      await shoot(page, "estimators");
    }));
});

it("the same in a single file needs no other", async () => {
  const { page, wrongs, files, close } = await open(browser, folder("SINGLE")!, "#colour=task:formal/task_1&layer=2&unit=6");
  await settled(page);
  expect(await page.locator("aside").innerText()).toContain("In 12 of 12 circuits");
  expect(await page.locator(".cortex .absent").count()).toBe(0);
  expect(files).toEqual([]);
  expect(wrongs).toEqual([]);
  await close();
});

describe("for all eyes", () => {
  it("every control has a name, every image a description, headings do not skip", () =>
    visit("#layer=2&unit=6&tasks=formal/task_1", async (page) => {
      const nameless = await page.evaluate(() =>
        [...document.querySelectorAll("button, select, input, [role=button], canvas, summary")]
          .filter((one) => (one as HTMLElement).checkVisibility())
          .filter((one) => !(one.getAttribute("aria-label") || one.textContent?.trim() || one.closest("label")?.textContent?.trim() || one.getAttribute("aria-labelledby")))
          .map((one) => one.outerHTML.slice(0, 120)),
      );
      expect(nameless).toEqual([]);
      const levels = await page.evaluate(() => [...document.querySelectorAll("h1, h2, h3, h4")].filter((one) => (one as HTMLElement).checkVisibility()).map((one) => Number(one.tagName[1])));
      levels.forEach((level, i) => expect(level - (levels[i - 1] ?? 0)).toBeLessThanOrEqual(1));
    }));

  it.each([["light", 1440], ["dark", 1440], ["light", 420], ["dark", 420]] as ["light" | "dark", number][])("fits a %s page of %i pixels", (colorScheme, width) =>
    visit("#layer=2&unit=6", async (page) => {
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect(wide).toBe(0);
      await shoot(page, `small-${colorScheme}-${width}`, true);
    }, { colorScheme, viewport: { width, height: 900 } }));
});
