/** One frame of the cortex: pixels, layers, axes, cursor. Knows nothing of the page but its colours. */
import { ticks } from "d3-array";
import { unitName } from "../format";
import type { Window } from "../state";
import { placeOf, type Field } from "./field";
import { boxOf, rowHeight, type Plot } from "./geometry";
import type { Raster } from "./raster";

export const MARGIN = { left: 34, right: 10, top: 6, bottom: 22 };

export interface Ink {
  page: string;
  ink: string;
  soft: string;
  line: string;
  accent: string;
}

export interface Scene {
  field: Field;
  raster: Raster;
  /** Lassoed units, drawn over the field. */
  veil: Raster | undefined;
  plot: Plot;
  window: Window;
  layer: number | undefined;
  unit: { layer: number; unit: number } | undefined;
  hover: { layer: number; place: number } | undefined;
  lasso: [number, number][] | undefined;
}

/** Draws in CSS pixels on a context that is scaled by `dots` already. */
export function paint(context: CanvasRenderingContext2D, scene: Scene, ink: Ink, dots: number): void {
  const { raster, veil, plot, window } = scene;
  const { left, top } = MARGIN;
  const high = rowHeight(plot, window);
  context.save();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.fillStyle = ink.page;
  context.fillRect(0, 0, context.canvas.width, context.canvas.height);
  // Pixels of the screen, not of the page: cells keep sharp edges on fine screens.
  context.translate(Math.round(left * dots), Math.round(top * dots));
  context.beginPath();
  context.rect(0, 0, plot.width * dots, plot.height * dots);
  context.clip();
  const draw = (one: Raster): void =>
    one.draw(context, window.x, window.k * dots, -window.y * high * dots, high * dots, plot.width * dots);
  draw(raster);
  if (veil) draw(veil);
  context.restore();
  context.save();
  context.translate(left, top);
  context.save();
  context.beginPath();
  context.rect(0, 0, plot.width, plot.height);
  context.clip();
  gaps(context, scene, high, ink);
  marks(context, scene, ink);
  context.restore();
  axes(context, scene, high, ink);
  context.restore();
}

/** Between layers, and between units once they are wide. */
function gaps(context: CanvasRenderingContext2D, { plot, window, field }: Scene, high: number, ink: Ink): void {
  context.fillStyle = ink.page;
  if (high >= 5) {
    const thick = high >= 12 ? 1.5 : 1;
    for (let row = Math.floor(window.y); row <= window.y + plot.height / high + 1; row++) {
      context.fillRect(0, (row - window.y) * high - thick / 2, plot.width, thick);
    }
  }
  const wide = window.k * field.size;
  if (wide >= 10) {
    for (let cell = Math.floor(window.x / field.size); cell * field.size <= window.x + plot.width / window.k; cell++) {
      context.fillRect((cell * field.size - window.x) * window.k - 0.5, 0, 1, plot.height);
    }
  }
}

function marks(context: CanvasRenderingContext2D, scene: Scene, ink: Ink): void {
  const { plot, window, field, layer, unit, hover, lasso } = scene;
  if (layer !== undefined) {
    const [, y, , h] = boxOf(plot, window, layer, 0);
    context.strokeStyle = ink.ink;
    context.lineWidth = 1;
    context.strokeRect(0.5, Math.round(y) + 0.5, plot.width - 1, Math.max(2, Math.round(h) - 1));
  }
  const frame = (at: number, place: number, colour: string, width: number): void => {
    const [x, y, w, h] = boxOf(plot, window, at, place);
    // A cell narrower than that would be hidden by its own frame.
    const wide = Math.max(w, 7);
    context.strokeStyle = ink.page;
    context.lineWidth = width + 2;
    context.strokeRect(x + w / 2 - wide / 2, y, wide, h);
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.strokeRect(x + w / 2 - wide / 2, y, wide, h);
  };
  if (hover) frame(hover.layer, Math.floor(hover.place / field.size) * field.size, ink.soft, 1);
  if (unit) {
    const place = placeOf(field, unit.layer, unit.unit);
    const [x, y, w, h] = boxOf(plot, window, unit.layer, place);
    context.strokeStyle = ink.accent;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x + w / 2, 0);
    context.lineTo(x + w / 2, Math.max(0, y - 4));
    context.moveTo(x + w / 2, y + h + 4);
    context.lineTo(x + w / 2, plot.height);
    context.stroke();
    frame(unit.layer, place, ink.accent, 2);
  }
  if (lasso && lasso.length > 1) {
    context.beginPath();
    lasso.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.closePath();
    context.strokeStyle = ink.accent;
    context.lineWidth = 1.5;
    context.setLineDash([4, 3]);
    context.stroke();
    context.setLineDash([]);
  }
}

/** Layers that get a number: all where there is room, else every second, fifth, tenth ... */
export function layerTicks(layers: number, high: number): number[] {
  const step = [1, 2, 5, 10, 20, 50].find((one) => one * high >= 13) ?? 100;
  return Array.from({ length: Math.ceil(layers / step) }, (_, i) => i * step);
}

export function unitTicks(plot: Plot, window: Window): number[] {
  const from = Math.max(0, Math.ceil(window.x));
  const to = Math.min(plot.units - 1, window.x + plot.width / window.k - 1);
  return ticks(from, to, Math.max(2, plot.width / 90)).filter((tick) => Number.isInteger(tick));
}

function axes(context: CanvasRenderingContext2D, { plot, window, field, hover }: Scene, high: number, ink: Ink): void {
  context.fillStyle = ink.soft;
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const layer of layerTicks(plot.layers, high)) {
    const y = (plot.layers - 0.5 - layer - window.y) * high;
    if (y > 2 && y < plot.height - 2) context.fillText(`L${layer}`, -6, y);
  }
  context.textAlign = "center";
  context.textBaseline = "top";
  if (field.order) {
    context.textAlign = "left";
    context.fillText("units of one domain side by side, in each layer", 0, plot.height + 6);
  } else {
    for (const tick of unitTicks(plot, window)) {
      const x = (tick + 0.5 - window.x) * window.k;
      context.fillRect(x, plot.height + 1, 1, 3);
      if (x < plot.width - 14) context.fillText(tick === 0 ? unitName(field.site, 0, 0).slice(3) : String(tick), Math.max(6, x), plot.height + 6);
    }
  }
  if (hover) {
    const y = (plot.layers - 0.5 - hover.layer - window.y) * high;
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillStyle = ink.page;
    context.fillRect(-34, y - 7, 32, 14);
    context.fillStyle = ink.ink;
    context.fillText(`L${hover.layer}`, -6, y);
  }
}
