/** Opens an atlas from the disk in the system's Chromium, and writes down whatever it should not do. */
import { appendFileSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";

export const folder = (name: "SMALL" | "SINGLE" | "LARGE" | "DEMO"): string | undefined => process.env[`ATLAS_${name}`];
const out = process.env.ATLAS_OUT;

export async function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // In containers there is no room for its sandbox, and the page is ours.
    args: ["--no-sandbox", "--force-device-scale-factor=1", "--enable-precise-memory-info"],
  });
}

export interface Opened {
  page: Page;
  /** Console errors, exceptions, and requests to anywhere but the atlas's own folder. */
  wrongs: string[];
  /** Data files in the order in which they were asked for. */
  files: string[];
  close: () => Promise<void>;
}

export async function open(browser: Browser, atlas: string, hash = "", options: BrowserContextOptions = {}): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, acceptDownloads: true, ...options });
  const page = await context.newPage();
  const wrongs: string[] = [];
  const files: string[] = [];
  const home = pathToFileURL(atlas).href;
  page.on("console", (message) => message.type() === "error" && wrongs.push(`console: ${message.text()}`));
  page.on("pageerror", (error) => wrongs.push(`exception: ${error.message}`));
  page.on("dialog", (dialog) => {
    wrongs.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    const url = request.url();
    if (url.startsWith(`${home}/`)) {
      if (url.endsWith(".js")) files.push(decodeURIComponent(url.slice(url.lastIndexOf("/") + 1)));
    } else if (!/^(data|blob):/.test(url)) wrongs.push(`request: ${url}`);
  });
  await page.goto(`${home}/index.html${hash}`);
  await page.locator(".canvas canvas[data-painted]").first().waitFor();
  return { page, wrongs, files, close: () => context.close() };
}

/** Nothing is loading, and all that changed is drawn. */
export async function settled(page: Page): Promise<void> {
  await page.waitForTimeout(250);
  await page.waitForFunction(() => ![...document.querySelectorAll(".absent")].some((one) => one.textContent === "Loading …"));
  await page.waitForTimeout(150);
}

export async function shoot(page: Page, name: string, fullPage = false): Promise<void> {
  if (!out) return;
  mkdirSync(out, { recursive: true });
  await page.screenshot({ path: join(out, `${name}.png`), fullPage });
}

export function note(name: string, value: unknown): void {
  console.log(name, value);
  if (!out) return;
  mkdirSync(out, { recursive: true });
  appendFileSync(join(out, "measured.jsonl"), `${JSON.stringify({ name, value })}\n`);
}

/**
 * Megabytes of memory that the page's process has to itself, its images in the GPU process included: as it is, and
 * without what the browser may drop whenever it needs room.
 */
export async function memory(browser: Browser, page: Page): Promise<{ now: number; kept: number }> {
  const now = await resident(browser);
  const session = await page.context().newCDPSession(page);
  await session.send("HeapProfiler.collectGarbage");
  await session.detach();
  await page.waitForTimeout(1000);
  return { now, kept: await resident(browser) };
}

async function resident(browser: Browser): Promise<number> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = (await session.send("SystemInfo.getProcessInfo")) as { processInfo: { type: string; id: number }[] };
  await session.detach();
  // Chromium keeps empty renderers ready: the largest is the page's.
  const kib = { renderer: 0, GPU: 0 };
  for (const { type, id } of processInfo) {
    if (type !== "renderer" && type !== "GPU") continue;
    const match = /^RssAnon:\s+(\d+)/m.exec(readFileSync(`/proc/${id}/status`, "utf8"));
    kib[type] = Math.max(kib[type], Number(match?.[1] ?? 0));
  }
  return Math.round((kib.renderer + kib.GPU) / 1024);
}

/** Milliseconds between screen refreshes, and those that drawing takes, while the map is zoomed and moved. */
export async function frames(page: Page): Promise<{ refresh: number; slowest: number; draw: number }> {
  await page.locator(".cortex canvas").focus();
  const box = (await page.locator(".cortex canvas").boundingBox())!;
  return page.evaluate(async ({ x, y }) => {
    const canvas = document.querySelector<HTMLCanvasElement>(".cortex canvas")!;
    const gaps: number[] = [];
    const draws: number[] = [];
    let last = 0;
    for (let i = 0; i < 90; i++) {
      const zoom = i < 45 ? -60 : 60;
      canvas.dispatchEvent(new WheelEvent("wheel", { deltaY: zoom, clientX: x, clientY: y, bubbles: true, cancelable: true }));
      const now = await new Promise<number>((resolve) => requestAnimationFrame(resolve));
      if (last) gaps.push(now - last);
      last = now;
      draws.push(Number(canvas.dataset.frame));
    }
    const middle = (values: number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
    const nearly = (values: number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length * 0.95)]!;
    return { refresh: middle(gaps), slowest: nearly(gaps), draw: middle(draws) };
  }, { x: box.x + box.width / 3, y: box.y + box.height / 2 });
}
