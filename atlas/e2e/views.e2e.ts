/** The linked views in a browser: what is chosen in one is seen in the others, and each gives its picture and data away. */
import { readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { folder, launch, open, settled, shoot } from "./browser";

const atlas = folder("SMALL");
const DRAWN = ["domains", "chord", "overlap", "shared", "networks", "layers"];
const PAIR = "#tasks=formal/task_1,social/task_2";

/** A view is drawn when it comes near the screen. */
async function shown(page: Page, id: string): Promise<void> {
  await page.locator(`#${id}`).scrollIntoViewIfNeeded();
  await page.locator(`#${id} .view`).waitFor();
}

describe.skipIf(!atlas)("linked views", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());

  it("show in all what is chosen in one", async () => {
    const { page, wrongs, close } = await open(browser, atlas!);
    await shown(page, "overlap");
    await page.locator("#overlap .cells rect").nth(1).click();
    await shown(page, "shared");
    const row = page.locator("#shared .row").first();
    await row.click();
    const unit = (await row.locator("text").first().textContent())!;
    expect(await page.locator("aside").textContent()).toContain(unit.split(" ")[1]!.slice(1));
    // Both circuits hold it: their names are marked.
    expect(await page.locator("#overlap circle.has").count()).toBeGreaterThanOrEqual(2);
    await shown(page, "layers");
    expect(await page.locator("#layers .view-key li").count()).toBeGreaterThanOrEqual(2);
    const layer = page.locator("#layers svg.picture").first();
    // The address follows a moment later.
    const layerNow = (): number => Number(/layer=(\d)/.exec(page.url())?.[1] ?? NaN);
    await expect.poll(layerNow).toBeGreaterThan(0);
    const before = layerNow();
    await layer.focus();
    await page.keyboard.press("ArrowLeft");
    await expect.poll(layerNow).toBe(before - 1);
    await shown(page, "domains");
    await page.locator("#domains .row").first().focus();
    await page.keyboard.press("Enter");
    await expect.poll(() => page.url()).toContain("domain=language");
    expect(wrongs).toEqual([]);
    await close();
  });

  it("give away pictures and data", async () => {
    const { page, wrongs, close } = await open(browser, atlas!, PAIR);
    for (const id of DRAWN) {
      await shown(page, id);
      for (const kind of ["SVG", "PNG", "CSV"]) {
        const waiting = page.waitForEvent("download");
        await page.locator(`#${id} .view-foot .take button`, { hasText: kind }).click();
        const got = readFileSync(await (await waiting).path());
        const text = got.toString("utf8");
        if (kind === "PNG") expect([...got.subarray(0, 4)], id).toEqual([0x89, 0x50, 0x4e, 0x47]);
        else if (kind === "CSV") expect(text.split("\n").length, id).toBeGreaterThan(2);
        else {
          expect(text.startsWith("<svg"), id).toBe(true);
          expect(text, id).not.toMatch(/<script|onerror=x|<img/);
          const sound = await page.evaluate((svg) => !new DOMParser().parseFromString(svg, "image/svg+xml").querySelector("parsererror"), text);
          expect(sound, id).toBe(true);
        }
      }
    }
    expect(wrongs).toEqual([]);
    await close();
  });

  it("show hostile names as text", async () => {
    const { page, wrongs, close } = await open(browser, atlas!, "#tasks=language/task_0,formal/task_1");
    for (const id of DRAWN) {
      await shown(page, id);
      await page.locator(`#${id} .view-table summary`).click();
    }
    await settled(page);
    expect(await page.locator("main img").count()).toBe(0);
    expect(await page.evaluate(() => (globalThis as { hacked?: number }).hacked)).toBeUndefined();
    expect(wrongs).toEqual([]);
    await close();
  });

  it.each(["light", "dark"] as const)("fit a phone, %s", async (colorScheme) => {
    const { page, wrongs, close } = await open(browser, atlas!, PAIR, { viewport: { width: 420, height: 900 }, colorScheme });
    for (const id of DRAWN) {
      await shown(page, id);
      const beyond = await page.locator(`#${id} svg.picture[role]`).evaluateAll((all) => all.filter((one) => one.getBoundingClientRect().right > 421 || one.getBoundingClientRect().width < 300).length);
      expect(beyond, id).toBe(0);
    }
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(420);
    await shoot(page, `views-420-${colorScheme}`, true);
    expect(wrongs).toEqual([]);
    await close();
  });
});
