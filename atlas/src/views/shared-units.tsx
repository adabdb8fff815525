/** Which units two tasks share, with their scores in both. */
import { useRef } from "preact/hooks";
import { byChance } from "../chance";
import { fileOf, firstFile, ready } from "../data";
import type { Masks, Model } from "../contract";
import { count, number, selName, unitName } from "../format";
import { component, includedTasks, model, runsOfUnits, selectLasso, selectTasks, selectUnit, state } from "../state";
import { unitsOf } from "../units";
import { Choice, Frame, Note, Waiting } from "./frame";
import { circuitOf, sharedBetween, sharedCount, sharedUnits } from "./shared";
import { domainOf } from "./tasks";
import { names, plural, twin, useMasks } from "./study";
import { linear, Point } from "./chart";
import { tells } from "./tip";
import { useWidth } from "./use-width";

export const needs = (own: Model): string | undefined =>
  own.components.some((one) => firstFile(own, `${one.name}.masks`) !== undefined || fileOf(own, `${one.name}.masks`))
    ? undefined
    : "This model has matrices only: which units circuits have is known of models that the study ran.";

/** Pairs of tasks of different domains, those that share most first. */
function sharing(tasks: string[], masks: Masks, sel: string, most = 6): [string, string, number][] {
  const circuits = tasks.flatMap((task) => circuitOf(masks, sel, task) ?? []);
  const named = tasks.filter((task) => circuitOf(masks, sel, task));
  const counts = sharedBetween(circuits.map((one) => [one]));
  const pairs = named.flatMap((a, i) => named.slice(i + 1).map((b, j) => [a, b, counts[i]![i + 1 + j]!] as [string, string, number]));
  return pairs
    .filter(([a, b, n]) => n > 0 && domainOf(a) !== domainOf(b))
    .sort((x, y) => y[2] - x[2])
    .slice(0, most);
}

/** More are not listed at once. */
const LISTED = 60;

export function SharedUnits() {
  const own = model.value;
  const part = component.value;
  const sel = state.sel.value;
  const loaded = useMasks(own, part?.name ?? "", sel);
  const controls = ready(useMasks(twin.value, part?.name ?? "", sel));
  const picture = useRef<SVGSVGElement>(null);
  const [box, width] = useWidth();
  const tasks = includedTasks.value;
  const label = names.value.task;
  const one = state.tasks.value[0];
  const other = state.tasks.value[1];
  const options = (without?: string) =>
    [["", "choose a task"] as const, ...tasks.filter((task) => task !== without).map((task) => [task, label(task)] as const)].map(
      ([task, text]) => [task, text, task ? names.value.domain(task.split("/", 1)[0]!) : ""] as const,
    );
  const choices = (
    <>
      <Choice label="task" value={one ?? ""} options={options(other)} choose={(task) => selectTasks(...[task, other ?? ""].filter(Boolean))} />
      <Choice
        label="and"
        value={other ?? ""}
        options={options(one)}
        choose={(task) => selectTasks(...[one ?? "", task].filter(Boolean))}
      />
    </>
  );
  const masks = ready(loaded);
  if (!masks || !part || !own) return <Waiting loaded={loaded} absent="Circuits of this size have no masks: selection.percents makes them." />;
  const pair = one && other ? [circuitOf(masks, sel, one), circuitOf(masks, sel, other)] : [];
  const [first, second] = pair;
  if (!one || !other || !first || !second) {
    return (
      <div class="view">
        <div class="view-choices">{choices}</div>
        <Note>
          {one && other
            ? "One of these tasks has no circuit in this model."
            : "Choose two tasks here, or a cell of a matrix, to see which units both circuits have."}
        </Note>
        <p class="view-answer">Tasks of different domains that share most:</p>
        <ul class="view-pairs">
          {sharing(tasks, masks, sel).map(([a, b, n]) => (
            <li key={`${a} ${b}`}>
              <button type="button" class="view-link" onClick={() => selectTasks(a, b)}>
                {label(a)} and {label(b)}
              </button>{" "}
              <span class="soft">{plural(n, "unit")}</span>
            </li>
          ))}
        </ul>
      </div>
    );
  }
  const found = sharedUnits([first, second], part.width);
  const sizes = [first.units.values.length, second.units.values.length] as const;
  const chance = byChance(...sizes, unitsOf(own, part.name));
  const twins = [circuitOf(controls, sel, one), circuitOf(controls, sel, other)];
  const beside = twins[0] && twins[1] ? sharedCount(twins[0], twins[1]) : undefined;
  const shown = found.slice(0, LISTED);
  const chosen = state.unit.value;
  const site = part.name;
  const name = (layer: number, unit: number): string => unitName(site, layer, unit);
  const most = Math.max(...found.flatMap((unit) => unit.scores.map(Math.abs)), 0);
  const colours = [names.value.colourOfTask(one), names.value.colourOfTask(other)] as const;
  const left = 92;
  const x = linear(Math.min(0, ...found.flatMap((unit) => unit.scores)), most || 1, left, width - 14);
  const line = 22;
  return (
    <Frame
      file={`${own.name}.shared.${one}.${other}.${sel}`}
      picture={picture}
      choices={choices}
      caption={
        <>
          {plural(found.length, `of the ${sizes[0]} and ${sizes[1]} ${part.label} is`, `of the ${sizes[0]} and ${sizes[1]} ${part.label} are`)}{" "}
          in both circuits ({selName(sel)}); by chance it would be {number(chance)}.
          {twin.value &&
            (beside === undefined
              ? ` The control ${twin.value.label} has no circuit of both.`
              : ` Control: ${beside} of ${twins[0]!.units.values.length} in ${twin.value.label}.`)}{" "}
          First those whose weaker score is stronger. A score is the unit's attribution in the task.
          {found.length > LISTED && ` The first ${LISTED} are drawn; table and CSV have all.`}
        </>
      }
      table={{
        columns: ["unit", "layer", "index", `score: ${one}`, `place: ${one}`, `score: ${other}`, `place: ${other}`],
        rows: () =>
          found.map((unit) => [name(unit.layer, unit.unit), unit.layer, unit.unit, unit.scores[0], unit.ranks[0], unit.scores[1], unit.ranks[1]]),
        select: (i) => selectUnit({ site, layer: found[i]!.layer, unit: found[i]!.unit }),
      }}
    >
      <p class="view-answer">
        <strong>{found.length ? plural(found.length, "shared unit") : "No shared unit"}</strong>: {label(one)} (●) and {label(other)} (○)
        {found.length > 1 && (
          <button type="button" class="view-link" onClick={() => selectLasso({ site, runs: runsOfUnits(found.map((unit) => unit.flat)) })}>
            select all {count(found.length)}
          </button>
        )}
      </p>
      <div ref={box}>
        {found.length > 0 && (
          <div class="view-scroll" tabindex={0} role="group" aria-label="Shared units, scrolls">
            <svg
              ref={picture}
              class="picture"
              width={width}
              height={shown.length * line + 30}
              viewBox={`0 0 ${width} ${shown.length * line + 30}`}
              role="group"
              aria-label={`${found.length} units of both circuits, with their scores`}
            >
              <line class="zero" x1={x(0)} x2={x(0)} y1={2} y2={shown.length * line + 4} />
              {shown.map((unit, i) => {
                const [score, beside] = unit.scores as [number, number];
                const y = i * line + line / 2 + 2;
                const own = chosen?.site === site && chosen.layer === unit.layer && chosen.unit === unit.unit;
                const said = [
                  name(unit.layer, unit.unit),
                  `${label(one)}: ${number(score)}, place ${unit.ranks[0]} of ${sizes[0]}`,
                  `${label(other)}: ${number(beside)}, place ${unit.ranks[1]} of ${sizes[1]}`,
                ];
                const select = (): void => selectUnit({ site, layer: unit.layer, unit: unit.unit });
                return (
                  <g
                    key={unit.flat}
                    class={`pick row ${own ? "chosen" : ""}`}
                    role="button"
                    tabindex={0}
                    aria-label={said.join("; ")}
                    aria-pressed={own}
                    onClick={select}
                    onKeyDown={(event) => {
                      if (event.key !== "Enter" && event.key !== " ") return;
                      event.preventDefault();
                      select();
                    }}
                    {...tells(...said)}
                  >
                    <rect class="hit" x={0} y={y - line / 2} width={width} height={line} />
                    <text class={unit.layer === state.layer.value ? "strong" : undefined} x={left - 10} y={y} dy="0.34em" text-anchor="end">
                      {name(unit.layer, unit.unit)}
                    </text>
                    <line class="rule" x1={x(score)} x2={x(beside)} y1={y} y2={y} />
                    <Point x={x(score)} y={y} colour={colours[0]} size={4.2} />
                    <Point x={x(beside)} y={y} colour={colours[1]} mark="open" size={3.8} />
                  </g>
                );
              })}
              <g class="axis" transform={`translate(0, ${shown.length * line + 4})`}>
                <line x1={left} x2={width - 14} />
                {x.ticks(5).map((tick) => (
                  <text key={tick} x={x(tick)} y={14} text-anchor="middle">
                    {number(tick)}
                  </text>
                ))}
                <text class="axis-label" x={left - 10} y={14} text-anchor="end">
                  score
                </text>
              </g>
            </svg>
          </div>
        )}
      </div>
    </Frame>
  );
}
