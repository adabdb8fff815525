/** The map itself: one canvas, its gestures and its keys. Several may be on the page (compare); all share a window. */
import { effect, signal, untracked, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { count, unitName } from "../format";
import { selectLasso, selectUnit, runsOfUnits, state } from "../state";
import { dark } from "../theme";
import { packed, placeOf, unitAt, type Field } from "./field";
import { boxOf, clamped, inside, panned, placeAt, showing, whole, zoomed, type Plot } from "./geometry";
import { MARGIN, paint, type Ink } from "./paint";
import { listen } from "./pointer";
import { Raster } from "./raster";
import type { Fields } from "./use-field";

/** Whether dragging draws a lasso. */
export const drawing = signal(false);
/** What the pointer is on, shared so that compared maps point at the same unit. */
export const pointed = signal<{ site: string; layer: number; place: number } | undefined>(undefined);

interface Props {
  fields: Fields;
  /** Says what the map is, for screen readers. */
  name: string;
  height?: number;
  onField?: (field: Field | undefined) => void;
}

const rasters = new WeakMap<Field, Raster>();

export function rasterOf(field: Field): Raster {
  let raster = rasters.get(field);
  if (!raster) rasters.set(field, (raster = new Raster(field)));
  return raster;
}

/** Everything but the lassoed units lies under a veil of the page's colour. */
function veilOf(field: Field, isDark: boolean): Raster | undefined {
  const lasso = state.lasso.value;
  if (!lasso || lasso.site !== field.site) return undefined;
  const { layers, units, cells, size } = field;
  const rgba = new Uint32Array(layers * cells).fill(packed(isDark ? [16, 18, 22] : [255, 255, 255], 0.72));
  const weight = new Float32Array(layers * cells);
  for (const [from, to] of lasso.runs) {
    for (let flat = from; flat <= Math.min(to, layers * units - 1); flat++) {
      const layer = Math.floor(flat / units);
      const i = layer * cells + Math.floor(placeOf(field, layer, flat % units) / size);
      rgba[i] = 0;
      weight[i] = 1;
    }
  }
  return new Raster({ ...field, rgba, weight });
}

export const heightFor = (layers: number): number => Math.min(Math.max(layers * 13, 200), 430);

export function inkNow(): Ink {
  const style = getComputedStyle(document.documentElement);
  const get = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  return { page: get("page"), ink: get("ink"), soft: get("soft"), line: get("line"), accent: get("accent") };
}

/** The strongest cell among those that share a few pixels: what stands out can be hit. */
function strongest(field: Field, plot: Plot, k: number, at: { layer: number; place: number }): { layer: number; place: number } {
  if (k * field.size >= 4) return at;
  const reach = Math.max(1, Math.round(3 / (k * field.size)));
  const middle = Math.floor(at.place / field.size);
  let best = middle;
  let most = field.weight[at.layer * field.cells + middle]!;
  for (let cell = Math.max(0, middle - reach); cell <= Math.min(field.cells - 1, middle + reach); cell++) {
    const own = field.weight[at.layer * field.cells + cell]!;
    if (own > most) [best, most] = [cell, own];
  }
  return { layer: at.layer, place: Math.min(plot.units - 1, best * field.size) };
}

export function Canvas({ fields, name, height }: Props) {
  const holder = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const width = useSignal(0);
  const line = useSignal<[number, number][] | undefined>(undefined);
  /** The last field stays on the screen while the next one loads. */
  const shown = useRef<Field | undefined>(undefined);
  const dots = typeof devicePixelRatio === "number" ? Math.min(2, Math.max(1, devicePixelRatio)) : 1;

  const field = (): Field | undefined => {
    const built = fields.built.value;
    if (built.state === "ready") shown.current = built.field;
    else if (built.state === "missing") shown.current = undefined;
    return shown.current;
  };
  const plotOf = (one: Field): Plot => ({
    width: Math.max(10, width.value - MARGIN.left - MARGIN.right),
    height: height ?? heightFor(one.layers),
    units: one.units,
    layers: one.layers,
  });
  const windowOf = (plot: Plot) => clamped(plot, state.window.value ?? whole(plot));

  useEffect(() => {
    const element = holder.current!;
    const watch = new ResizeObserver(() => (width.value = Math.floor(element.clientWidth)));
    watch.observe(element);
    width.value = Math.floor(element.clientWidth);
    return () => watch.disconnect();
  }, []);

  // A frame is drawn once per screen refresh, however many signals changed. A plain effect: that of the hooks
  // waits for the next refresh, and the map would lag behind the pointer by one.
  const frame = useRef(0);
  useEffect(() => effect(() => {
    const across = width.value;
    const one = field();
    const plot = one && plotOf(one);
    const window = plot && windowOf(plot);
    const unit = state.unit.value;
    const hover = pointed.value;
    const layer = state.layer.value;
    const lasso = line.value;
    const isDark = dark.value;
    const veil = one && veilOf(one, isDark);
    if (one && window) fields.near.value = one.size > 1 ? window.k * one.size > 6 : fields.near.peek() && window.k > 0.15;
    cancelAnimationFrame(frame.current);
    frame.current = requestAnimationFrame(() => {
      const element = canvas.current;
      const context = element?.getContext("2d", { alpha: false });
      if (!element || !context || !one || !plot || !window || across === 0) return;
      const wide = Math.round(across * dots);
      const high = Math.round((plot.height + MARGIN.top + MARGIN.bottom) * dots);
      if (element.width !== wide || element.height !== high) {
        element.width = wide;
        element.height = high;
        element.style.height = `${plot.height + MARGIN.top + MARGIN.bottom}px`;
      }
      context.setTransform(dots, 0, 0, dots, 0, 0);
      const scene = {
        field: one,
        raster: rasterOf(one),
        veil,
        plot,
        window,
        layer,
        unit: unit && unit.site === one.site && unit.unit < one.units ? unit : undefined,
        hover: hover && hover.site === one.site && hover.place < one.units ? hover : undefined,
        lasso,
      };
      const began = performance.now();
      paint(context, scene, inkNow(), dots);
      // For tests, which measure what a frame costs and when the first was there.
      element.dataset.painted ??= performance.now().toFixed(1);
      element.dataset.frame = (performance.now() - began).toFixed(2);
    });
  }), []);

  // A unit that is chosen elsewhere is brought into view; that of a link leaves the link's window as it is.
  useEffect(() => effect(() => {
    const unit = state.unit.value;
    untracked(() => {
      const one = shown.current;
      if (!unit || !one || unit.site !== one.site || unit.unit >= one.units || !state.window.value) return;
      const plot = plotOf(one);
      const window = windowOf(plot);
      const place = placeOf(one, unit.layer, unit.unit);
      const [x, y, w, h] = boxOf(plot, window, unit.layer, place);
      if (x + w > 0 && x < plot.width && y + h > 0 && y < plot.height) return;
      state.window.value = showing(plot, window, unit.layer, place);
    });
  }), []);

  const stop = useMemo(() => ({ now: undefined as (() => void) | undefined }), []);
  useEffect(() => {
    const element = canvas.current!;
    const now = (): { one: Field; plot: Plot } | undefined => {
      const one = shown.current;
      return one && { one, plot: plotOf(one) };
    };
    const find = (x: number, y: number) => {
      const here = now();
      if (!here) return undefined;
      const window = windowOf(here.plot);
      const at = placeAt(here.plot, window, x, y);
      return at && { ...here, at: strongest(here.one, here.plot, window.k, at) };
    };
    stop.now = listen(element, MARGIN, {
      pan: (dx, dy) => {
        const here = now();
        if (here) state.window.value = panned(here.plot, windowOf(here.plot), dx, dy);
      },
      zoom: (factor, x, y) => {
        const here = now();
        if (here) setWindow(here.plot, zoomed(here.plot, windowOf(here.plot), factor, x, y));
      },
      hover: (x, y) => {
        const found = find(x, y);
        pointed.value = found && { site: found.one.site, ...found.at };
      },
      leave: () => (pointed.value = undefined),
      click: (x, y) => {
        const found = find(x, y);
        element.focus({ preventScroll: true });
        if (found) selectUnit({ site: found.one.site, layer: found.at.layer, unit: unitAt(found.one, found.at.layer, found.at.place) });
      },
      drawing: () => drawing.peek(),
      lasso: (drawn, done) => {
        line.value = done ? undefined : [...drawn];
        const here = now();
        if (!done || !here) return;
        drawing.value = false;
        const { one, plot } = here;
        const units: number[] = [];
        for (const [layer, from, to] of inside(plot, windowOf(plot), drawn)) {
          for (let place = from; place <= to; place++) units.push(layer * one.units + unitAt(one, layer, place));
        }
        selectLasso({ site: one.site, runs: runsOfUnits(units) });
      },
    });
    return () => stop.now?.();
  }, []);

  const setWindow = (plot: Plot, window: ReturnType<typeof whole>): void => {
    const all = whole(plot);
    state.window.value = window.k <= all.k * 1.001 ? undefined : window;
  };

  const onKey = (event: KeyboardEvent): void => {
    const one = shown.current;
    if (!one || event.altKey || event.ctrlKey || event.metaKey) return;
    const plot = plotOf(one);
    const window = windowOf(plot);
    const unit = state.unit.peek();
    const here = unit && unit.site === one.site ? unit : undefined;
    const [x, y, w, h] = here
      ? boxOf(plot, window, here.layer, placeOf(one, here.layer, here.unit))
      : [plot.width / 2, plot.height / 2, 0, 0];
    const far = event.shiftKey ? 10 : 1;
    const steps: Record<string, [number, number]> = { ArrowLeft: [0, -far], ArrowRight: [0, far], ArrowUp: [far, 0], ArrowDown: [-far, 0] };
    const step = steps[event.key];
    if (step) {
      let layer = Math.floor(one.layers / 2);
      let place = Math.floor(window.x + plot.width / window.k / 2);
      if (here) {
        layer = Math.min(one.layers - 1, Math.max(0, here.layer + step[0]));
        place = Math.min(one.units - 1, Math.max(0, placeOf(one, here.layer, here.unit) + step[1] * one.size));
      }
      selectUnit({ site: one.site, layer, unit: unitAt(one, layer, place) });
      if (state.window.peek()) setWindow(plot, showing(plot, window, layer, place));
    } else if (event.key === "+" || event.key === "=") setWindow(plot, zoomed(plot, window, 1.6, x + w / 2, y + h / 2));
    else if (event.key === "-") setWindow(plot, zoomed(plot, window, 1 / 1.6, x + w / 2, y + h / 2));
    else if (event.key === "0") state.window.value = undefined;
    else if (event.key === "n" || event.key === "N") nextStrong(one, event.key === "n" ? 1 : -1);
    else return;
    event.preventDefault();
  };

  const built = fields.built.value;
  return (
    <div class="canvas" ref={holder}>
      <canvas
        ref={canvas}
        tabIndex={0}
        role="application"
        aria-roledescription="map of units"
        aria-label={`${name}. Arrow keys move from unit to unit, shift for ten, n to the next weaker unit, plus and minus zoom, 0 shows all.`}
        aria-describedby="readout"
        style={{ height: built.state === "missing" ? "0" : undefined, cursor: drawing.value ? "crosshair" : "default" }}
        onKeyDown={onKey}
      />
      {built.state === "missing" && <p class="absent">{built.why}</p>}
      {built.state === "loading" && !shown.current && <p class="absent">Loading …</p>}
    </div>
  );
}

/** From the unit that is selected to the next weaker one, or back: the strongest are found without a mouse. */
function nextStrong(field: Field, way: 1 | -1): void {
  const unit = state.unit.peek();
  const weightAt = (layer: number, place: number): number => field.weight[layer * field.cells + Math.floor(place / field.size)]!;
  const now = unit && unit.site === field.site ? weightAt(unit.layer, placeOf(field, unit.layer, unit.unit)) : way > 0 ? Infinity : -Infinity;
  const own = unit && unit.site === field.site ? unit.layer * field.cells + Math.floor(placeOf(field, unit.layer, unit.unit) / field.size) : -1;
  let best = -1;
  for (let i = 0; i < field.weight.length; i++) {
    const value = field.weight[i]!;
    // Equal weights stand in the order of their places.
    const beyond = way > 0 ? value < now || (value === now && i > own) : value > now || (value === now && i < own);
    if (!beyond) continue;
    if (best < 0) best = i;
    else {
      const most = field.weight[best]!;
      if (way > 0 ? value > most : value < most || (value === most && i > best)) best = i;
    }
  }
  if (best < 0) return;
  const layer = Math.floor(best / field.cells);
  const place = Math.min(field.units - 1, (best % field.cells) * field.size);
  selectUnit({ site: field.site, layer, unit: unitAt(field, layer, place) });
}

/** One line about a cell. */
export function sayCell(field: Field, layer: number, place: number): string {
  const cell = Math.floor(place / field.size);
  const says = field.says(layer, cell);
  if (field.size === 1) return `${unitName(field.site, layer, unitAt(field, layer, place))}: ${says}`;
  const first = cell * field.size;
  const last = Math.min(field.units, first + field.size) - 1;
  const where = field.order ? `L${layer}, places ${count(first)} to ${count(last)}` : `${unitName(field.site, layer, first)} to ${last}`;
  return `${where}: ${says}`;
}
