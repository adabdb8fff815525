/** Is a circuit enough: faithfulness of the task's own order of units beside rivals and random orders. */
import { useRef } from "preact/hooks";
import { fileOf, ready, useFile } from "../data";
import type { Curves, Model } from "../contract";
import { number } from "../format";
import { model, selectTasks, state } from "../state";
import { frameOf, Key, linear, path, Point, Svg, XAxis, YAxis, type Mark, type Series } from "./chart";
import { faithfulnessRange, rivals, tasksOf, type Rival } from "./faithfulness";
import { Choice, Frame, Note, Waiting } from "./frame";
import { names, useOption } from "./study";
import { domainOf } from "./tasks";
import { tells } from "./tip";
import { useWidth } from "./use-width";
import { between } from "./words";

const LACKING = "Whether circuits are enough alone was not asked: faithfulness.tasks and faithfulness.fractions do it.";

export const needs = (own: Model): string | undefined => (fileOf(own, "curves") ? undefined : LACKING);

const LOOKS: Record<string, { dash?: string; mark: Mark }> = {
  own: { mark: "circle" },
  same_domain: { dash: "7 3", mark: "square" },
  other_domains: { dash: "3 3", mark: "diamond" },
  layer_matched: { dash: "5 3", mark: "triangle" },
  random: { dash: "1 3", mark: "open" },
};

export function Faithfulness() {
  const own = model.value;
  const loaded = useFile<Curves>(fileOf(own, "curves"));
  const curves = ready(loaded);
  const picture = useRef<HTMLDivElement>(null);
  const [box, width] = useWidth();
  const byComponent = curves?.faithfulness ?? {};
  const part = Object.hasOwn(byComponent, state.component.value) ? state.component.value : (Object.keys(byComponent)[0] ?? "");
  const estimators = Object.keys(byComponent[part] ?? {});
  const [estimator, setEstimator] = useOption("faithfulness.estimator", estimators);
  const file = byComponent[part]?.[estimator];
  const tasks = file ? tasksOf(file.curves) : [];
  const [kept, keep] = useOption("faithfulness.task", tasks);
  if (!curves || !own) return <Waiting loaded={loaded} absent={LACKING} />;
  if (!file || !tasks.length) return <Note>{LACKING}</Note>;
  const label = names.value;
  const chosen = state.tasks.value.find((task) => tasks.includes(task));
  const task = chosen ?? kept;
  const lines = rivals(file.curves, file.areas, task);
  const called = (line: Rival): string => {
    if (line.group === "own") return `${label.task(task)}, its own order`;
    if (line.group === "random") return "random order";
    if (line.group === "layer_matched") return "random order, same layers";
    return `order of ${label.task(line.order)}`;
  };
  const colour = (line: Rival): string =>
    line.control ? "var(--control)" : line.group === "own" ? label.colourOfTask(task) : label.colourOfTask(line.order);
  const xs = [...new Set(lines.flatMap((line) => line.points.map((point) => point.x)))].sort((a, b) => a - b);
  const at = frameOf(width, 262);
  // Sizes stand side by side, evenly: they grow by factors.
  const x = linear(-0.2, Math.max(1, xs.length - 1) + 0.2, at.left, at.right);
  const [low, high] = faithfulnessRange(lines);
  const y = linear(low, high, at.bottom, at.top);
  const clamp = (value: number): number => Math.max(low, Math.min(high, value));
  const place = (value: number): number => x(xs.indexOf(value));
  const look = (line: Rival) => LOOKS[line.group] ?? { mark: "circle" as const };
  const series: Series[] = lines.map((line) => ({
    key: `${line.order}${line.points[0]?.n}`,
    label: `${called(line)}: area ${line.area ? between(line.area.value, line.area.low, line.area.high) : "–"}`,
    colour: colour(line),
    control: line.control,
    ...look(line),
  }));
  const beyond = lines.some((line) => line.points.some((point) => point.value > high || point.value < low));
  return (
    <Frame
      file={`${own.name}.faithfulness.${task}`}
      picture={picture}
      choices={
        <>
          <Choice
            label="task"
            value={task}
            options={tasks.map((one) => [one, label.task(one), label.domain(domainOf(one))] as const)}
            choose={(one) => {
              keep(one);
              if (state.tasks.peek().length) selectTasks(one);
            }}
          />
          <Choice label="estimator" value={estimator} options={estimators.map((one) => [one, one])} choose={setEstimator} />
        </>
      }
      caption={
        <>
          Only the best units are kept, all others have the activations of the corrupted prompts. 1: as the whole model, 0: as with nothing kept. 95 % intervals over{" "}
          {lines[0]?.points[0]?.n ?? 0} items; areas under the curve in the key. Controls: random orders, grey.
          {!chosen && state.tasks.value[0] !== undefined && ` ${label.task(state.tasks.value[0])} was not asked for (faithfulness.tasks).`}
          {beyond && " Points at the edge lie beyond it."}
          {!lines.some((line) => line.group === "same_domain" || line.group === "other_domains") && " Rivals: faithfulness.same_domain and other_domains."}
        </>
      }
      table={{
        columns: ["order", "control", "% of units kept", "faithfulness", "low", "high", "items", "area", "area low", "area high"],
        rows: () =>
          lines.flatMap((line) =>
            line.points.map((point) => [
              line.group === "own" ? task : line.order, line.control, point.x, point.value, point.low, point.high, point.n, line.area?.value, line.area?.low, line.area?.high,
            ]),
          ),
      }}
    >
      <div ref={box}>
        <div ref={picture}>
          <Svg at={at} label={`Faithfulness of ${label.task(task)} against units kept, ${lines.length} orders`}>
            <YAxis at={at} scale={y} label="faithfulness" />
            <XAxis at={at} scale={x} label="units kept (%)" ticks={xs.map((_, i) => i)} text={(i) => number(xs[i]!)} />
            <line class="even" x1={at.left} x2={at.right} y1={y(1)} y2={y(1)} />
            <line class="even" x1={at.left} x2={at.right} y1={y(0)} y2={y(0)} />
            {[...lines].reverse().map((line) => {
              const strong = line.group === "own";
              return (
                <g key={`${line.order}-${series.length}-${line.points.length}-${line.area?.value}`} class={line.control ? "control" : undefined}>
                  {strong && (
                    <path
                      class="interval"
                      fill={colour(line)}
                      d={`${path(line.points.map((point) => [place(point.x), y(clamp(point.high))] as const))}${path(
                        [...line.points].reverse().map((point) => [place(point.x), y(clamp(point.low))] as const),
                      ).replace("M", "L")}Z`}
                    />
                  )}
                  <path
                    d={path(line.points.map((point) => [place(point.x), y(clamp(point.value))] as const))}
                    fill="none"
                    stroke={colour(line)}
                    stroke-width={strong ? 2.4 : 1.5}
                    stroke-dasharray={look(line).dash}
                  />
                  {line.points.map((point) => (
                    <g
                      key={point.x}
                      {...tells(called(line) + (line.control ? " (control)" : ""), `${number(point.x)} % kept: ${between(point.value, point.low, point.high)}`, `n = ${point.n}`)}
                    >
                      <circle class="hit" cx={place(point.x)} cy={y(clamp(point.value))} r={9} />
                      <Point x={place(point.x)} y={y(clamp(point.value))} mark={look(line).mark} colour={colour(line)} size={strong ? 4 : 3.2} />
                    </g>
                  ))}
                </g>
              );
            })}
          </Svg>
        </div>
        <Key series={series} />
      </div>
    </Frame>
  );
}
