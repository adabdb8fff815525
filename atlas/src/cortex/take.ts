/** The cortex as a picture of its own, and what is in it as a table. */
import { csv, pageColour, save, saveCanvas, saveCsv, type Cell } from "../export";
import { number } from "../format";
import { state, type Window } from "../state";
import { dark } from "../theme";
import { heightFor, inkNow, rasterOf } from "./canvas";
import { unitAt, type Field } from "./field";
import { clamped, rowHeight, whole, type Plot } from "./geometry";
import { gradient } from "./legend";
import { layerTicks, paint, MARGIN, unitTicks } from "./paint";

const WIDTH = 1200;
const HEAD = 30;
const FOOT = 44;

const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, "");

/** What is seen of the field, at the picture's own width. */
function seen(field: Field): { plot: Plot; window: Window } {
  const plot: Plot = {
    width: WIDTH - MARGIN.left - MARGIN.right,
    height: heightFor(field.layers),
    units: field.units,
    layers: field.layers,
  };
  return { plot, window: clamped(plot, state.window.peek() ?? whole(plot)) };
}

/** Cells as an embedded picture with sharp pixels, everything else as text and lines. */
export function svgOf(field: Field, title: string): string {
  const { plot, window } = seen(field);
  const ink = inkNow();
  const canvas = document.createElement("canvas");
  canvas.width = 2 * WIDTH;
  canvas.height = 2 * (plot.height + MARGIN.top + MARGIN.bottom);
  const context = canvas.getContext("2d", { alpha: false })!;
  context.setTransform(2, 0, 0, 2, 0, 0);
  paint(context, { field, raster: rasterOf(field), veil: undefined, plot, window, layer: undefined, unit: undefined, hover: undefined, lasso: undefined }, ink, 2);
  const only = document.createElement("canvas");
  only.width = 2 * plot.width;
  only.height = 2 * plot.height;
  only.getContext("2d")!.drawImage(canvas, -2 * MARGIN.left, -2 * MARGIN.top);
  const high = rowHeight(plot, window);
  const top = HEAD + MARGIN.top;
  const height = HEAD + plot.height + MARGIN.top + MARGIN.bottom + FOOT;
  const text = (x: number, y: number, content: string, more = ""): string => `<text x="${x}" y="${y}" ${more}>${escaped(content)}</text>`;
  const parts: string[] = [];
  parts.push(`<rect width="${WIDTH}" height="${height}" fill="${pageColour()}"/>`);
  parts.push(text(MARGIN.left, 18, title, `font-size="15" font-weight="600" fill="${ink.ink}"`));
  parts.push(`<image x="${MARGIN.left}" y="${top}" width="${plot.width}" height="${plot.height}" style="image-rendering:pixelated" href="${only.toDataURL("image/png")}"/>`);
  for (const layer of layerTicks(plot.layers, high)) {
    const y = (plot.layers - 0.5 - layer - window.y) * high;
    if (y > 2 && y < plot.height - 2) parts.push(text(MARGIN.left - 6, top + y + 4, `L${layer}`, `text-anchor="end"`));
  }
  if (field.order) parts.push(text(MARGIN.left, top + plot.height + 16, "units of one domain side by side, in each layer"));
  else
    for (const tick of unitTicks(plot, window)) {
      const x = MARGIN.left + (tick + 0.5 - window.x) * window.k;
      parts.push(text(x, top + plot.height + 16, String(tick), `text-anchor="middle"`));
    }
  let x = MARGIN.left;
  const y = height - 18;
  if (field.scale) {
    const { end, kind, label } = field.scale;
    const stops = gradient(field.scale, dark.peek()).map((colour, i, all) => `<stop offset="${i / (all.length - 1)}" stop-color="${colour}"/>`);
    parts.push(`<defs><linearGradient id="scale">${stops.join("")}</linearGradient></defs>`);
    parts.push(text(x, y, kind === "signed" ? `≤ ${number(-end)}` : "0"));
    parts.push(`<rect x="${x + 56}" y="${y - 10}" width="160" height="12" fill="url(#scale)"/>`);
    parts.push(text(x + 224, y, `≥ ${number(end)}  ${label}`));
    x += 460;
  }
  for (const key of field.keys) {
    parts.push(`<rect x="${x}" y="${y - 10}" width="12" height="12" fill="${escaped(key.colour)}"/>`);
    const label = key.n === undefined ? key.label : `${key.label} (${key.n})`;
    parts.push(text(x + 17, y, label));
    x += 34 + 6.2 * label.length;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="11" fill="${ink.soft}">${parts.join("")}</svg>\n`;
}

export const takeSvg = (name: string, field: Field, title: string): void =>
  save(`${name}.svg`, svgOf(field, title), "image/svg+xml;charset=utf-8");

export async function takePng(name: string, field: Field, title: string): Promise<void> {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgOf(field, title))}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = 2 * image.width;
  canvas.height = 2 * image.height;
  canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
  await saveCanvas(name, canvas);
}

/** The cells that are seen. */
export function tableOf(field: Field): string {
  const { plot, window } = seen(field);
  const from = Math.floor(window.x / field.size);
  const to = Math.min(field.cells, Math.ceil((window.x + plot.width / window.k) / field.size));
  const lowest = Math.max(0, Math.floor(plot.layers - window.y - plot.height / rowHeight(plot, window)));
  const highest = Math.min(plot.layers - 1, Math.ceil(plot.layers - window.y) - 1);
  const bins = field.size > 1;
  const columns = bins ? ["layer", "first_place", "last_place"] : ["layer", "unit"];
  columns.push(field.values && field.scale ? "value" : "what");
  const rows = function* (): Generator<Cell[]> {
    for (let layer = lowest; layer <= highest; layer++) {
      for (let cell = from; cell < to; cell++) {
        const where = bins
          ? [layer, cell * field.size, Math.min(field.units, (cell + 1) * field.size) - 1]
          : [layer, unitAt(field, layer, cell)];
        yield [...where, field.values && field.scale ? field.values[layer * field.cells + cell]! : field.says(layer, cell)];
      }
    }
  };
  return csv(columns, rows());
}

export const takeTable = (name: string, field: Field): void => saveCsv(name, tableOf(field));
