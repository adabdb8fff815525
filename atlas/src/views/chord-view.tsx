/** Shared units as ribbons between tasks, or between domains. */
import { useRef } from "preact/hooks";
import type { Circuit, Model } from "../contract";
import { fileOf, ready } from "../data";
import { count, number, selName } from "../format";
import { rgbOf } from "../rgb";
import { component, model, selectDomain, selectTasks, state } from "../state";
import { undirected, wheel } from "./chord";
import { Choice, Frame, Note, Waiting } from "./frame";
import { valueAt } from "./matrix";
import { circuitOf, sharedBetween } from "./shared";
import { keeps, names, nearest, plural, twin, useMasks, useMatrices, useOption } from "./study";
import { byDomain, domainOf } from "./tasks";
import { hideTip, tells } from "./tip";
import { componentOf } from "./use-matrix-view";
import { fitted, textWidth, useWidth } from "./use-width";
import { measureName } from "./words";

export const needs = (own: Model): string | undefined =>
  fileOf(own, "matrices") ? undefined : "Circuits of two or more tasks are compared: tasks.include.";

/** Between two colours. */
function mixed(one: string, other: string): string {
  const [a, b] = [rgbOf(one), rgbOf(other)];
  return `rgb(${a.map((value, i) => Math.round((value + b[i]!) / 2)).join(", ")})`;
}

/** Containments below that are not drawn, as in the figures. */
const LEAST = 0.05;

export function ChordDiagram() {
  const own = model.value;
  const part = component.value;
  const sel = state.sel.value;
  const loaded = useMatrices(own);
  const masks = ready(useMasks(own, part?.name ?? "", sel));
  const others = ready(useMasks(twin.value, part?.name ?? "", sel));
  const picture = useRef<SVGSVGElement>(null);
  const [box, wide] = useWidth();
  const [between, setBetween] = useOption("chord.between", masks ? ["tasks", "domains"] : ["tasks"]);
  const matrices = ready(loaded);
  if (!matrices || !own) return <Waiting loaded={loaded} absent="No circuits overlap here." />;
  const kind = componentOf(matrices, state.component.value);
  const bySel = matrices.overlap.containment?.[kind] ?? {};
  const size = nearest(Object.keys(bySel), sel, own.main_sel);
  const axis = byDomain(matrices.tasks, names.value, keeps.value);
  const circuits = axis.tasks.map((task) => circuitOf(masks, sel, task));
  const counted = masks !== undefined && circuits.some(Boolean);
  const tasks = between === "tasks" || !counted;
  const groups = tasks ? axis.tasks : axis.bands.map((band) => band.name);
  const label = tasks ? names.value.task : names.value.domain;
  const colour = (i: number): string => (tasks ? names.value.colourOfTask(groups[i]!) : names.value.colour(groups[i]!));
  const members = (all: (Circuit | undefined)[]): Circuit[][] =>
    tasks
      ? all.map((one) => (one ? [one] : []))
      : axis.bands.map((band) => all.slice(band.from, band.to).filter((one) => one !== undefined));
  const grid = size === undefined ? undefined : bySel[size];
  const values = counted
    ? sharedBetween(members(circuits))
    : grid && axis.indices.map((a) => axis.indices.map((b) => undirected(valueAt(grid, a, b), valueAt(grid, b, a))));
  if (!values) return <Note>These circuits were not compared by containment.</Note>;
  const controls = counted && others ? sharedBetween(members(axis.tasks.map((task) => circuitOf(others, sel, task)))) : undefined;
  const width = Math.min(wide, 560);
  const room = Math.min(width * (width < 430 ? 0.29 : 0.32), Math.max(...groups.map((one) => textWidth(`${label(one)} ●`))) + 16);
  const radius = Math.max(60, width / 2 - room - 14);
  const drawn = wheel(values, radius, tasks ? 0.02 : 0.06, counted ? 0 : LEAST);
  const half = { x: width / 2, y: radius + (tasks ? room : 26) + 16 };
  const chosen = new Set(tasks ? state.tasks.value : state.domain.value ? [state.domain.value] : []);
  const domain = state.domain.value;
  const stands = (i: number): boolean => chosen.has(groups[i]!) || (tasks && !chosen.size && domain === domainOf(groups[i]!));
  const some = chosen.size > 0 || (tasks && domain !== undefined);
  const says = (value: number): string => (counted ? plural(value, "shared unit") : `containment ${number(value)}`);
  const rows = () =>
    groups.flatMap((one, i) => groups.slice(i + 1).map((other, j) => [one, other, values[i]![i + 1 + j]!, controls?.[i]?.[i + 1 + j] ?? null]));
  const all = (of: number[][]): number => of.reduce((sum, row, i) => sum + row.slice(i + 1).reduce((a, b) => a + b, 0), 0);
  return (
    <Frame
      file={`${own.name}.chord.${tasks ? "tasks" : "domains"}.${sel}`}
      picture={picture}
      choices={
        counted && (
          <Choice
            label="between"
            value={between}
            options={[
              ["tasks", "tasks"],
              ["domains", "domains"],
            ]}
            choose={setBetween}
          />
        )
      }
      caption={
        <>
          {counted
            ? `A ribbon is as wide as the number of ${kind} that two ${tasks ? "circuits" : "domains"} share (circuits: ${selName(sel)}; ${
                tasks ? plural(circuits.filter(Boolean).length, "task") : "units that are in a circuit of each"
              }).`
            : `A ribbon is as wide as the ${measureName("containment")} of two circuits, from ${LEAST} on (${axis.tasks.length} tasks).`}{" "}
          {tasks ? "Coloured within a domain, grey across." : "Coloured between the two domains' colours."}
          {controls && ` Control: ${twin.value!.label} shares ${count(all(controls))}, this model ${count(all(values))}, summed over pairs.`}
        </>
      }
      table={{
        columns: [tasks ? "task" : "domain", tasks ? "other task" : "other domain", counted ? "shared units" : "containment", "in the untrained control"],
        rows,
        select: (i) => {
          const [one, other] = rows()[i]!;
          if (tasks) selectTasks(String(one), String(other));
          else selectDomain(String(one));
        },
      }}
    >
      <div ref={box} class="view-middle">
        <svg ref={picture} class="picture" width={width} height={2 * half.y} viewBox={`0 0 ${width} ${2 * half.y}`} role="group" aria-label={`Shared units between ${tasks ? "tasks" : "domains"}`}>
          <g transform={`translate(${half.x}, ${half.y})`}>
            {drawn.ribbons.map(({ source, target, value, path }) => {
              const within = !tasks || domainOf(groups[source]!) === domainOf(groups[target]!);
              const marked = stands(source) || stands(target);
              const both = chosen.size > 1 ? chosen.has(groups[source]!) && chosen.has(groups[target]!) : marked;
              return (
                <path
                  key={`${source}-${target}`}
                  class={`pick ribbon ${some ? (both ? "chosen" : "pale") : ""}`}
                  d={path}
                  fill={!tasks ? mixed(colour(source), colour(target)) : within ? colour(source) : "var(--control)"}
                  onClick={() => {
                    hideTip();
                    if (tasks) selectTasks(groups[source]!, groups[target]!);
                  }}
                  {...tells(`${label(groups[source]!)} · ${label(groups[target]!)}`, says(value), ...(controls ? [`untrained control: ${controls[source]![target]!}`] : []))}
                />
              );
            })}
            {drawn.groups.map((group) => {
              const own = groups[group.index]!;
              const right = group.label[0] >= 0;
              const turn = (group.angle * 180) / Math.PI - 90;
              const select = (): void => (tasks ? selectTasks(own) : selectDomain(domain === own ? undefined : own));
              const mark = tasks ? names.value.markOfTask(own) : names.value.mark(own);
              const text = fitted(label(own), room - 8 - textWidth(" ●"));
              return (
                <g
                  key={own}
                  class={`pick arc ${stands(group.index) ? "chosen" : ""}`}
                  role="button"
                  tabindex={0}
                  aria-label={`${label(own)}: ${counted ? `${plural(group.value, "unit")} shared with others, summed over them` : "select"}`}
                  onClick={select}
                  onKeyDown={(event) => {
                    if (event.key !== "Enter" && event.key !== " ") return;
                    event.preventDefault();
                    select();
                  }}
                  {...tells(label(own), counted ? `${plural(group.value, "unit")} shared with others, summed over them` : "")}
                >
                  <path d={group.path} fill={colour(group.index)} />
                  {/* Names of thin arcs would hide each other: these say theirs when pointed at, or chosen. */}
                  {(group.endAngle - group.startAngle) * (radius + 14) < 9.5 && !stands(group.index) ? null : tasks ? (
                    <text transform={`translate(${group.label[0]}, ${group.label[1]}) rotate(${right ? turn : turn + 180})`} text-anchor={right ? "start" : "end"} dy="0.34em">
                      {right ? `${mark} ${text}` : `${text} ${mark}`}
                    </text>
                  ) : (
                    <text x={group.label[0]} y={group.label[1]} text-anchor={Math.abs(group.label[0]) < 20 ? "middle" : right ? "start" : "end"} dy="0.34em">
                      {`${label(own)} ${mark}`}
                    </text>
                  )}
                </g>
              );
            })}
          </g>
        </svg>
      </div>
    </Frame>
  );
}
