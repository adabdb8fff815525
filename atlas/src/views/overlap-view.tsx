/** Which circuits share units: task by task. */
import { Fragment } from "preact";
import type { Clusters, Matrices, Model } from "../contract";
import { fileOf, ready, useFile } from "../data";
import { csv } from "../export";
import { number, selName } from "../format";
import { magnitudeColour } from "../palette";
import { selectSel, selectTasks, state } from "../state";
import { TakeAway } from "../take-away";
import { Choice, Frame, Waiting } from "./frame";
import { pairs, reach } from "./matrix";
import { Legend, MatrixPicture } from "./matrix-picture";
import { keeps, names, nearest, NONE, plural, twin, useMatrices, useOption } from "./study";
import { byCluster, byDomain } from "./tasks";
import { useMatrixView } from "./use-matrix-view";
import { between, measureName, MEASURES } from "./words";

export const needs = (own: Model): string | undefined =>
  fileOf(own, "matrices") ? undefined : "Overlaps are made for two or more tasks: tasks.include.";

export function Overlap() {
  const { own, loaded, matrices, component, average, file, title, options, choose, other, theirs, holding, picture, second, box, width } = useMatrixView();
  const control = ready(useMatrices(twin.value));
  const clusters = ready(useFile<Clusters>(fileOf(own, "clusters")));
  const measures = matrices ? Object.keys(matrices.overlap).filter((one) => matrices.overlap[one]![component]) : [];
  const [measure, setMeasure] = useOption("overlap.measure", measures);
  const [order, setOrder] = useOption("overlap.order", ["domain", "cluster"]);
  const bySel = matrices?.overlap[measure]?.[component] ?? {};
  const sel = nearest(Object.keys(bySel), state.sel.value, own?.main_sel);
  const grid = sel === undefined ? undefined : bySel[sel];
  if (!matrices || !grid || sel === undefined) {
    return <Waiting loaded={loaded} absent="No circuits overlap here: an overlap needs two tasks (tasks.include)." />;
  }
  // Clusters are found of containments; those of another measure have their own.
  const numbers = average ? undefined : clusters?.[component]?.[measure]?.[sel];
  const clustered = order === "cluster" && numbers;
  const keep = keeps.value;
  const axis = clustered
    ? byCluster(matrices.tasks, names.value, keep, numbers)
    : byDomain(matrices.tasks, names.value, keep);
  const beside = other && theirs?.overlap[measure]?.[component]?.[sel];
  // One scale for both.
  const end = Math.max(reach(grid, axis, false), beside ? reach(beside, axis, false) : 0);
  const label = names.value.task;
  const what = MEASURES[measure] ?? measureName(measure);
  const rows = () => [...pairs(grid, axis)];
  return (
    <Frame
      file={`${file}.overlap.${measure}.${sel}`}
      picture={picture}
      choices={
        <>
          <Choice label="of" value={average ? "average" : "model"} options={options} choose={choose} />
          <Choice label="measure" value={measure} options={measures.map((one) => [one, measureName(one)])} choose={setMeasure} />
          <Choice label="circuits" value={sel} options={Object.keys(bySel).map((one) => [one, selName(one)])} choose={selectSel} />
          {numbers && (
            <Choice
              label="order"
              value={order}
              options={[
                ["domain", "by domain"],
                ["cluster", "clustered"],
              ]}
              choose={setOrder}
            />
          )}
        </>
      }
      caption={
        <>
          {what}; {axis.tasks.length} tasks, circuits of the {selName(sel)} of {component}. {means(matrices, component, sel, measure)}
          {other && !beside && ` ${other.label} has no such matrix.`}
          {!average && twin.value && control && ` Control: ${twin.value.label}, ${means(control, component, sel, measure, true)}`}
          {holding.size > 0 && ` Dots: ${plural(holding.size, "circuit")} with the chosen unit${state.lasso.value ? "s" : ""}.`}
          {!numbers && !average && " This measure and size was not clustered."}
        </>
      }
      table={{
        columns: ["task", "other task", what],
        rows,
        select: (i) => {
          const [one, other] = rows()[i]!;
          selectTasks(one, other);
        },
      }}
    >
      <div ref={box}>
        {[{ grid, label: title, first: true }, ...(beside ? [{ grid: beside, label: other.label, first: false }] : [])].map((one) => (
          <Fragment key={String(one.first)}>
            {beside && (
              <h3>
                {one.label}
                {!one.first && other.control && <span class="badge">control</span>}
              </h3>
            )}
            <MatrixPicture
              picture={one.first ? picture : second}
              width={width}
              axis={axis}
              grid={one.grid}
              names={names.value}
              holding={one.first ? holding : NONE}
              label={`Overlap of circuits of ${one.label}, ${axis.tasks.length} tasks.`}
              colour={(value) => magnitudeColour(value, end)}
              diagonal={false}
              domains={!clustered}
              says={(row, column, value) =>
                row === column
                  ? [label(row), "the task with itself"]
                  : [`${label(row)} · ${label(column)}`, `${measureName(measure)} ${number(value)}`, what]
              }
            />
            {!one.first && <TakeAway name={`${one.label}.overlap.${measure}.${sel}`} picture={second} csv={() => csv(["task", "other task", what], pairs(one.grid, axis))} />}
          </Fragment>
        ))}
        <Legend from="0" to={number(end)} colour={(share) => magnitudeColour(share, 1)} />
      </div>
    </Frame>
  );
}

/** Means within and across domains as `summary.csv` has them. */
function means(matrices: Matrices, component: string, sel: string, measure: string, short = false): string {
  const rows = matrices.summary?.[component]?.[sel]?.filter((row) => row.measure === measure) ?? [];
  const said = ["within", "cross"].flatMap((pairs) => {
    const row = rows.find((one) => one.pairs === pairs);
    if (!row || typeof row.mean !== "number") return [];
    const words = pairs === "within" ? "within domains" : "across";
    return [`${words} ${between(row.mean, Number(row.low ?? NaN), Number(row.high ?? NaN))}`];
  });
  if (!said.length) return short ? "without means." : "";
  const draws = rows.find((row) => Number(row.n_bootstraps) > 0)?.n_bootstraps;
  const interval = draws && !short ? ` (95 % of ${draws} bootstraps of the items)` : "";
  return `${short ? "" : "Mean "}${said.join(", ")}${interval}.`;
}
