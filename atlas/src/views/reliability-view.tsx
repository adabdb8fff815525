/** Do circuits come back on other items: split halves and bootstraps, per task. */
import { useRef } from "preact/hooks";
import { fileOf, ready } from "../data";
import type { Model } from "../contract";
import { number, percent, selName } from "../format";
import { model, selectSel, selectTasks, state, toggleTask } from "../state";
import { linear } from "./chart";
import { Choice, Frame, Note, Waiting } from "./frame";
import { returning, verdict, type Returning } from "./reliability";
import { keeps, names, nearest, twin, useMatrices, useSummary } from "./study";
import { byDomain, domainOf } from "./tasks";
import { tells } from "./tip";
import { componentOf } from "./use-matrix-view";
import { fitted, textWidth, useWidth } from "./use-width";
import { between } from "./words";

const LACKING = "How reliable circuits are was not measured: attribution.splits and attribution.bootstraps do it.";

export const needs = (own: Model): string | undefined => (fileOf(own, "matrices") && !own.matrices_only ? undefined : LACKING);

export function Reliability() {
  const own = model.value;
  const loaded = useMatrices(own);
  const control = ready(useMatrices(twin.value));
  const limits = ready(useSummary())?.thresholds;
  const picture = useRef<SVGSVGElement>(null);
  const [box, width] = useWidth();
  const matrices = ready(loaded);
  if (!matrices || !own) return <Waiting loaded={loaded} absent={LACKING} />;
  const part = componentOf(matrices, state.component.value);
  const sels = [...new Set([...Object.keys(matrices.reliability?.[part] ?? {}), ...Object.keys(matrices.stability?.[part] ?? {})])];
  const sel = nearest(sels, state.sel.value, own.main_sel);
  if (sel === undefined) return <Note>{LACKING}</Note>;
  const axis = byDomain(matrices.tasks, names.value, keeps.value);
  const of = (file: typeof matrices | undefined): Returning[] => returning(file?.reliability?.[part]?.[sel], file?.stability?.[part]?.[sel], axis.tasks);
  const found = of(matrices);
  const beside = new Map(of(control).map((one) => [one.task, one]));
  const reliable = found.filter((one) => verdict(one, limits) === "reliable");
  const moderate = found.filter((one) => verdict(one, limits) === "moderately reliable");
  const stable = found.filter((one) => one.stable);
  const label = names.value.task;
  const longest = Math.max(...found.map((one) => textWidth(`${label(one.task)} ●`)));
  const left = Math.min(longest + 20, width * 0.42);
  const right = width - 58;
  const x = linear(0, 1, left, right);
  const line = 19;
  const height = found.length * line + 38;
  const chosen = state.tasks.value;
  const drawn = found.some((one) => Number.isFinite(one.bootstrap));
  const draws = found[0]?.n_bootstraps;
  const items = found.map((one) => one.n_items).filter(Number.isFinite);
  return (
    <Frame
      file={`${own.name}.reliability.${sel}`}
      picture={picture}
      choices={<Choice label="circuits" value={sel} options={sels.map((one) => [one, selName(one)])} choose={selectSel} />}
      caption={
        <>
          Jaccard index of a task's circuits from two halves of its items (◇, mean over splits)
          {drawn
            ? `, and from resampled items (● with the range of 95 % of pairs, ${number(draws)} bootstraps)`
            : "; of resampled items only at the main size, with attribution.bootstraps"}
          ; {items.length ? `${Math.min(...items)} to ${Math.max(...items)} items` : "items unknown"}. Right: share of units that comes back between halves
          {limits ? ` (reliable from ${percent(limits.reliable)}, moderately from ${percent(limits.moderate)})` : ""}.
          {control ? ` Grey: ${twin.value!.label}, the untrained control.` : ""}
        </>
      }
      table={{
        columns: ["task", "items", "units", "Jaccard, halves", "Jaccard, bootstraps", "low", "high", "bootstraps", "comes back", "verdict", "stable", "untrained: halves"],
        rows: () =>
          found.map((one) => [
            one.task, one.n_items, one.n_circuit, one.split, one.bootstrap, one.low, one.high, one.n_bootstraps, one.ceiling, verdict(one, limits),
            one.stable === undefined ? null : one.stable, beside.get(one.task)?.split ?? null,
          ]),
        select: (i) => selectTasks(found[i]!.task),
      }}
    >
      <p class="view-answer">
        {limits ? (
          <>
            <strong>
              {reliable.length} of {found.length}
            </strong>{" "}
            circuits are reliable{reliable.length > 0 && reliable.length <= 6 ? ` (${reliable.map((one) => label(one.task)).join(", ")})` : ""}, {moderate.length}{" "}
            moderately. {drawn && `${stable.length} reach the Jaccard index of ${number(limits.stable)} that counts as stable.`}
          </>
        ) : (
          "Which circuits count as reliable is not known to this page."
        )}
      </p>
      <div ref={box}>
        <svg ref={picture} class="picture" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="group" aria-label={`Reliability of ${found.length} circuits`}>
          {[0, 0.25, 0.5, 0.75, 1].map((tick) => (
            <g key={tick} class="axis">
              <line class="grid-line" x1={x(tick)} x2={x(tick)} y1={0} y2={height - 34} />
              <text x={x(tick)} y={height - 20} text-anchor="middle">
                {number(tick)}
              </text>
            </g>
          ))}
          <text class="axis-label" x={(left + right) / 2} y={height - 5} text-anchor="middle">
            Jaccard index
          </text>
          {limits && drawn && <line class="even" x1={x(limits.stable)} x2={x(limits.stable)} y1={0} y2={height - 34} />}
          {found.map((one, i) => {
            const y = i * line + line / 2;
            const colour = names.value.colourOfTask(one.task);
            const other = beside.get(one.task);
            const judged = verdict(one, limits);
            const said = [
              `${label(one.task)}: ${judged}`,
              `halves ${number(one.split)}; bootstraps ${between(one.bootstrap, one.low, one.high)}`,
              `${percent(one.ceiling)} of units come back; ${one.n_items} items, ${one.n_circuit} units`,
              ...(other ? [`untrained control: halves ${number(other.split)}`] : []),
            ];
            return (
              <g
                key={one.task}
                class={`pick row ${chosen.includes(one.task) || (!chosen.length && domainOf(one.task) === state.domain.value) ? "chosen" : ""}`}
                role="button"
                tabindex={0}
                aria-pressed={chosen.includes(one.task)}
                aria-label={said.join("; ")}
                onClick={(event) => (event.shiftKey ? toggleTask(one.task) : selectTasks(one.task))}
                onKeyDown={(event) => {
                  if (event.key !== "Enter" && event.key !== " ") return;
                  event.preventDefault();
                  selectTasks(one.task);
                }}
                {...tells(...said)}
              >
                <rect class="hit" x={0} y={y - line / 2} width={width} height={line} />
                <rect x={0} y={y - line / 2 + 1} width={4} height={line - 2} fill={colour} />
                <text x={10} y={y} dy="0.34em">
                  {`${fitted(label(one.task), left - 18 - textWidth(" ●"))} ${names.value.markOfTask(one.task)}`}
                </text>
                {other && Number.isFinite(other.split) && (
                  <path class="control" d={`M${x(other.split)},${y - 4.5}l4.5,4.5l-4.5,4.5l-4.5,-4.5Z`} fill="var(--page)" stroke="var(--control)" stroke-width={1.2} />
                )}
                {Number.isFinite(one.low) && <line x1={x(one.low)} x2={x(one.high)} y1={y} y2={y} stroke={colour} stroke-width={1.6} />}
                {Number.isFinite(one.bootstrap) && <circle cx={x(one.bootstrap)} cy={y} r={4} fill={colour} />}
                {Number.isFinite(one.split) && (
                  <path d={`M${x(one.split)},${y - 5}l5,5l-5,5l-5,-5Z`} fill="var(--page)" stroke={colour} stroke-width={1.8} />
                )}
                <text x={width - 2} y={y} dy="0.34em" text-anchor="end" class={judged === "unreliable" ? "soft" : judged === "reliable" ? "strong" : undefined}>
                  {percent(one.ceiling)}
                </text>
              </g>
            );
          })}
        </svg>
      </div>
    </Frame>
  );
}
