/** Seven models of 70 billion parameters on 46 tasks: what is loaded, how long it takes, how much memory. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Manifest } from "../src/contract";
import { folder, frames, launch, memory, note, open, settled, shoot } from "./browser";

const atlas = folder("LARGE")!;
const manifestOf = (folder: string): Manifest => {
  const text = readFileSync(join(folder, "data/manifest.js"), "utf8");
  return JSON.parse(text.slice(text.indexOf("{"), text.lastIndexOf("}") + 1)) as Manifest;
};
const megabytes = (files: string[]): number => files.reduce((sum, file) => sum + statSync(join(atlas, "data", file)).size, 0) / 2 ** 20;

describe("an atlas of the largest size", () => {
  it("loads little before it shows its map, zooms into single units, and stays small", async () => {
    const browser = await launch();
    const { page, wrongs, files, close } = await open(browser, atlas);
    const map = Number(await page.locator(".cortex canvas").getAttribute("data-painted"));
    const paint = await page.evaluate(() => performance.getEntriesByName("first-contentful-paint")[0]!.startTime);
    note("large", { first_paint_ms: Math.round(paint), map_ms: Math.round(map), megabytes: Number(megabytes(files).toFixed(1)) });
    expect(megabytes(files)).toBeLessThan(16);
    await settled(page);
    note("large memory at first", await memory(browser, page));
    note("large frames, domains", await frames(page));

    // One of those that have every unit's score, too.
    const [model, ...others] = manifestOf(atlas).models;
    const task = Object.keys(model!.files).find((file) => file.startsWith("neurons.exact."))!.slice("neurons.exact.".length);
    await page.evaluate((hash) => void (location.hash = hash), `#m=${model!.name}&colour=task:${task}`);
    await settled(page);
    expect(await page.locator("#readout").innerText()).not.toBe("");
    note("large frames, a task", await frames(page));
    const canvas = page.locator(".cortex canvas");
    const box = (await canvas.boundingBox())!;
    await page.mouse.move(box.x + 400, box.y + 200);
    expect(await page.locator("#readout").innerText()).toMatch(/largest of 14 units/);
    for (let i = 0; i < 12; i++) await page.mouse.wheel(0, -300);
    await settled(page);
    await page.mouse.move(box.x + 402, box.y + 202);
    await expect.poll(() => page.locator("#readout").innerText(), { timeout: 30_000 }).toMatch(/rank [\d,]+ of 2,293,760/);
    note("large frames, exact", await frames(page));
    await shoot(page, "large-exact");
    for (const { name } of others) {
      await page.locator("header select").first().selectOption(name);
      await settled(page);
    }
    await page.locator("header select").first().selectOption(model!.name);
    await settled(page);
    const used = await memory(browser, page);
    note("large memory after all models", used);
    expect(used.kept).toBeLessThan(500);
    expect(wrongs).toEqual([]);
    await close();
    await browser.close();
  });
});
