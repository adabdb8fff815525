/** In which layers the units of circuits, localizers and networks lie. */
import { useRef } from "preact/hooks";
import { perLayer } from "../chance";
import type { Circuit, Localizer, Model, Nets } from "../contract";
import { fileOf, firstFile, ready, useFile } from "../data";
import { number, selName } from "../format";
import { component, model, selectLayer, state, unitsOfRuns } from "../state";
import { frameOf, Key, linear, path, Svg, XAxis, YAxis, type Series } from "./chart";
import { Choice, Frame, Note } from "./frame";
import { shares, total, union, type Profile } from "./layers";
import { layersOf } from "./networks";
import { circuitOf } from "./shared";
import { names, twin, useMasks, useOption } from "./study";
import { domainOf } from "./tasks";
import { hideTip, showTip } from "./tip";
import { useWidth } from "./use-width";

export const needs = (own: Model): string | undefined =>
  own.components.length || own.localizers.length || fileOf(own, "nets")
    ? undefined
    : "This model has matrices only: which layers units lie in is known of models that the study ran.";

/** A second cue beside the colour: to some eyes language and social look alike. */
const DASHES = ["", "6 3", "2 3", "8 3 2 3"];

export function LayerProfile() {
  const own = model.value;
  const part = component.value;
  const sel = state.sel.value;
  const masks = ready(useMasks(own, part?.name ?? "", sel));
  const others = ready(useMasks(twin.value, part?.name ?? "", sel));
  const nets = ready(useFile<Nets>(fileOf(own, "nets")));
  const localizers = own?.localizers.map((one) => one.name) ?? [];
  const [shown, setShown] = useOption("layers.localizer", ["none", ...localizers]);
  const info = own?.localizers.find((one) => one.name === shown);
  const localizer = ready(useFile<Localizer>(info && firstFile(own, `localizer.${info.name}`)));
  const picture = useRef<HTMLDivElement>(null);
  const [box, width] = useWidth();
  if (!own) return null;
  const { layers } = own;
  const label = names.value;
  const profiles: Profile[] = [];
  const put = (profile: Omit<Profile, "n">): void => void profiles.push({ ...profile, n: total(profile.counts) });
  const tasks = state.tasks.value;
  const domain = state.domain.value;
  const circuits = (of: typeof masks, kept: (task: string) => boolean): Circuit[] =>
    Object.keys(of?.[sel] ?? {})
      .filter(kept)
      .flatMap((task) => circuitOf(of, sel, task) ?? []);
  const unitsOf = (all: Circuit[]): Set<number> => union(all.map((one) => one.units.values));
  if (masks && part) {
    const { width: units } = part;
    tasks.slice(0, 4).forEach((task, i) => {
      const one = circuitOf(masks, sel, task);
      if (one) put({ name: task, label: `${label.markOfTask(task)} ${label.task(task)}`, colour: label.colourOfTask(task), dash: DASHES[i], counts: perLayer(one.units.values, layers, units) });
    });
    const domains = [...new Set(Object.keys(masks[sel] ?? {}).map(domainOf))].sort((a, b) => label.rank(a) - label.rank(b));
    if (!profiles.length) {
      for (const name of domain ? [domain] : domains) {
        const found = circuits(masks, (task) => domainOf(task) === name);
        if (found.length) put({ name, label: `${label.mark(name)} ${label.domain(name)}, ${found.length} circuits`, colour: label.colour(name), dash: DASHES[label.rank(name) % DASHES.length], counts: perLayer(unitsOf(found), layers, units) });
      }
    }
    if (others) {
      const kept = (task: string): boolean => (tasks.length ? tasks.includes(task) : !domain || domainOf(task) === domain);
      const found = circuits(others, kept);
      if (found.length) {
        const counts = perLayer(unitsOf(found), layers, units);
        put({ name: "untrained", label: `${twin.value!.label}, the same`, colour: "var(--control)", control: true, dash: "5 3", counts });
      }
    }
  }
  const lasso = state.lasso.value;
  if (lasso && part && lasso.site === part.name) {
    const counts = perLayer(unitsOfRuns(lasso.runs), layers, part.width);
    put({ name: "lasso", label: "the selected units", colour: "var(--accent)", counts });
  }
  if (localizer && info) {
    const selection = info.selections[0];
    const chosen = selection ? localizer.selections[selection] : undefined;
    if (chosen) put({ name: "localizer", label: `localizer ${info.label}`, colour: "var(--ink)", dash: "2 2", counts: perLayer(chosen.values, layers, info.width) });
  }
  const net = state.network.value;
  if (nets && net) {
    const counts = layersOf(nets, net.dataset, net.network);
    if (counts.length) put({ name: "network", label: `network ${net.dataset} ${net.network}`, colour: "var(--accent)", dash: "8 3 2 3", counts });
  }
  if (!profiles.length) return <Note>No circuit, localizer or network of this model has units here.</Note>;
  const lines = profiles.map((one) => ({ ...one, shares: shares(one.counts) }));
  const most = Math.max(1, ...lines.flatMap((one) => one.shares.filter(Number.isFinite)));
  const at = frameOf(width, 236);
  const x = linear(-0.5, layers - 0.5, at.left, at.right);
  const y = linear(0, most * 1.05, at.bottom, at.top);
  const layer = state.layer.value;
  const even = 100 / Math.max(1, layers);
  const says = (n: number): string[] => [
    `layer ${n}`,
    ...lines.map((one) => `${one.label}: ${number(one.shares[n]!)} % (${one.counts[n]} of ${one.n})`),
  ];
  const layerAt = (event: MouseEvent): number => {
    const { left } = (event.currentTarget as Element).getBoundingClientRect();
    return Math.max(0, Math.min(layers - 1, Math.round(x.invert(event.clientX - left))));
  };
  const series: Series[] = lines.map((one) => ({ key: one.name, label: `${one.label} (${one.n})`, colour: one.colour, dash: one.dash, control: one.control }));
  return (
    <Frame
      file={`${own.name}.layers.${sel}`}
      picture={picture}
      choices={
        localizers.length > 0 && (
          <Choice label="localizer" value={shown} options={[["none", "none"], ...own.localizers.map((one) => [one.name, one.label] as const)]} choose={setShown} />
        )
      }
      caption={
        <>
          Per cent of each map's units that lie in a layer; numbers in brackets: units. Circuits: {selName(sel)} of {part?.label ?? "units"}; of a domain, units
          of any of its circuits. Dotted: evenly spread ({number(even)} %). {twin.value ? "Grey: the untrained control. " : ""}
          Click a layer to select it.
        </>
      }
      table={{
        columns: ["layer", ...lines.map((one) => `${one.label}: units`), ...lines.map((one) => `${one.label}: %`)],
        rows: () => Array.from({ length: layers }, (_, n) => [n, ...lines.map((one) => one.counts[n]!), ...lines.map((one) => one.shares[n]!)]),
        select: (n) => selectLayer(n),
      }}
    >
      <div ref={box}>
        <div ref={picture}>
          <Svg
            at={at}
            label={`Units per layer of ${lines.length} maps. Left and right arrow keys select a layer.`}
            tabindex={0}
            onKeyDown={(event: KeyboardEvent) => {
              const step = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
              if (!step) return;
              event.preventDefault();
              event.stopPropagation();
              selectLayer(Math.max(0, Math.min(layers - 1, (layer ?? (step > 0 ? -1 : layers)) + step)));
            }}
            onPointerMove={(event: PointerEvent) => showTip(event, ...says(layerAt(event)))}
            onPointerLeave={hideTip}
            onClick={(event: MouseEvent) => {
              const found = layerAt(event);
              selectLayer(found === layer ? undefined : found);
            }}
          >
            {layer !== undefined && <rect class="band" x={x(layer - 0.5)} width={x(1) - x(0)} y={at.top} height={at.bottom - at.top} />}
            <YAxis at={at} scale={y} label="% of its units" />
            <XAxis at={at} scale={x} label="layer" count={Math.min(layers, width / 60)} />
            <line class="even" x1={at.left} x2={at.right} y1={y(even)} y2={y(even)} />
            {lines.map((one) => (
              <path key={one.name} d={path(one.shares.map((share, n) => [x(n), y(share)] as const))} fill="none" stroke={one.colour} stroke-width={one.control ? 1.3 : 2} stroke-dasharray={one.dash} />
            ))}
          </Svg>
        </div>
        <Key series={series} />
        <div class="for-ears" aria-live="polite">
          {layer === undefined ? "" : says(layer).join("; ")}
        </div>
      </div>
    </Frame>
  );
}
