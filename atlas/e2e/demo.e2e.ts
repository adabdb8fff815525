/** The demo's own atlas, where there is one (ATLAS_DEMO): screenshots for people, measures for the docs. */
import { describe, expect, it } from "vitest";
import { folder, frames, launch, memory, note, open, settled, shoot } from "./browser";

const atlas = folder("DEMO");

describe.skipIf(!atlas)("the demo", () => {
  it("paints at once, moves smoothly, stays small", async () => {
    const browser = await launch();
    const { page, wrongs, close } = await open(browser, atlas!);
    const first = Number(await page.locator(".cortex canvas").getAttribute("data-painted"));
    const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]!.startTime);
    note("demo", { first_paint_ms: Math.round(paint), map_ms: Math.round(first) });
    await settled(page);
    note("demo frames", await frames(page));
    const used = await memory(browser, page);
    note("demo memory", used);
    expect(used.now).toBeLessThan(500);
    expect(wrongs).toEqual([]);
    await close();
    await browser.close();
  });

  it.each([
    ["start", ""],
    ["pair", "#tasks=language/subject_verb_agreement,physical/brightness&colour=tasks"],
    ["network", "#net=news/4&colour=network:news/4"],
    ["control", "#colour=task:language/subject_verb_agreement&cmp=model:smollm2-untrained"],
    ["unit", "#colour=task:language/subject_verb_agreement&layer=29&unit=870"],
  ])("is seen: %s", async (name, hash) => {
    const browser = await launch();
    for (const colorScheme of ["light", "dark"] as const) {
      for (const width of [1440, 420]) {
        const { page, wrongs, close } = await open(browser, atlas!, hash, { colorScheme, viewport: { width, height: 900 } });
        await settled(page);
        await shoot(page, `demo-${name}-${colorScheme}-${width}`);
        expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)).toBe(0);
        expect(wrongs).toEqual([]);
        await close();
      }
    }
    await browser.close();
  });
});
