/** What silencing a circuit does to every task, with as many other units as controls. */
import { Fragment } from "preact";
import type { Model } from "../contract";
import { fileOf } from "../data";
import { csv, type Cell } from "../export";
import { number, selName, signed } from "../format";
import { signedColour } from "../palette";
import { selectSel, selectTasks, state } from "../state";
import { TakeAway } from "../take-away";
import { dark } from "../theme";
import { Lesions, span, type Effect } from "./ablation";
import { Choice, Frame, Note, Waiting } from "./frame";
import { pairs, reach } from "./matrix";
import { Legend, MatrixPicture } from "./matrix-picture";
import { keeps, names, nearest, NONE, plural, useOption } from "./study";
import { byDomain } from "./tasks";
import { useMatrixView } from "./use-matrix-view";

const LACKING = "This model has no ablation: models.NAME.ablation: true and ablation.percents make it.";

export const needs = (own: Model): string | undefined => (fileOf(own, "matrices") ? undefined : LACKING);

export function Ablation() {
  const { own, loaded, matrices, component, average, file, title, options, choose, other, theirs, holding, picture, second, box, width } = useMatrixView();
  const bySel = matrices?.ablation[component] ?? {};
  const sel = nearest(Object.keys(bySel), state.sel.value, own?.main_sel) ?? "";
  const kinds = Object.keys(bySel[sel] ?? {});
  const [kind, setKind] = useOption("ablation.kind", kinds);
  const effects = (["accuracy_drop", "score"] as const).filter((one) => bySel[sel]?.[kind]?.[one]);
  const [chosen, setEffect] = useOption("ablation.effect", effects);
  const effect = chosen as Effect;
  if (!matrices || !own) return <Waiting loaded={loaded} absent={LACKING} />;
  const lesions = Lesions.of(matrices, component, sel, kind, effect);
  if (!lesions) return <Note>{LACKING}</Note>;
  const beside = other && Lesions.of(theirs, component, sel, kind, effect);
  const axis = byDomain(matrices.tasks, names.value, keeps.value);
  // One scale for both.
  const end = Math.max(...[lesions, beside].map((one) => (one ? reach(one.grid, axis, true, one.centre) : 0))) || 1;
  const night = dark.value;
  const score = effect === "score";
  const label = names.value.task;
  const place = new Map(matrices.tasks.map((task, i) => [task, i]));
  const shown = score ? number : signed;
  const says =
    (one: Lesions) =>
    (row: string, column: string, value: number): string[] => {
      const [i, j] = [place.get(row), place.get(column)!];
      const what = score ? `score ${number(value)} (1: as the intact model)` : `accuracy lost ${signed(value)}`;
      const n = one.items(j);
      const said = [`${i === undefined ? row : `without the circuit of ${label(row)}`} → ${label(column)}`];
      said.push(Number.isFinite(n) ? `${what}, ${n} items` : what);
      const control = i === undefined ? NaN : one.matched(i, j);
      if (Number.isFinite(control)) said.push(`as many random units of the same layers: ${shown(control)}`);
      return said;
    };
  const columns = ["silenced circuit", "task", score ? "score" : "accuracy lost", "random units, same layers", "random units", "items"];
  const table = (one: Lesions): Cell[][] =>
    [...pairs(one.grid, axis)].map(([source, target, value]) => {
      const [i, j] = [place.get(source)!, place.get(target)!];
      return [source, target, value, one.matched(i, j), one.random(j), one.items(j)];
    });
  const items = span(axis.indices.map(lesions.items));
  const parts = [
    { one: lesions, called: title, first: true },
    ...(beside ? [{ one: beside, called: other.label, first: false }] : []),
  ];
  return (
    <Frame
      file={`${file}.ablation.${effect}.${sel}.${kind}`}
      picture={picture}
      choices={
        <>
          <Choice label="of" value={average ? "average" : "model"} options={options} choose={choose} />
          <Choice label="effect" value={effect} options={effects.map((one) => [one, one === "score" ? "score" : "accuracy lost"])} choose={setEffect} />
          <Choice label="circuits" value={sel} options={Object.keys(bySel).map((one) => [one, selName(one)])} choose={selectSel} />
          <Choice label="set to" value={kind} options={kinds.map((one) => [one, one])} choose={setKind} />
        </>
      }
      caption={
        <>
          Rows: the circuit that is silenced ({selName(sel)} of {component}, set to {kind} activations). Columns: the task that the model then does
          {items && ` (${items} items each)`}.{" "}
          {lesions.rows.length
            ? `Controls, hatched: as many random units, of the layers of the task's own circuit or of any (${plural(lesions.draws, "draw")}).`
            : "No random units beside (ablation.random_trials, layer_matched_trials)."}
          {holding.size > 0 && ` Dots: ${plural(holding.size, "circuit")} with the chosen unit${state.lasso.value ? "s" : ""}.`}
          {other && !beside && ` ${other.label} has no such ablation.`}
          {sel !== state.sel.value && " Only these circuits were silenced (ablation.percents)."}
        </>
      }
      table={{
        columns,
        rows: () => table(lesions),
        select: (i) => {
          const [one, two] = table(lesions)[i]!;
          selectTasks(String(one), String(two));
        },
      }}
    >
      <div ref={box}>
        {parts.map(({ one, called, first }) => (
          <Fragment key={String(first)}>
            {beside && (
              <h3>
                {called}
                {!first && other.control && <span class="badge">control</span>}
              </h3>
            )}
            <MatrixPicture
              picture={first ? picture : second}
              width={width}
              axis={axis}
              grid={one.grid}
              names={names.value}
              holding={first ? holding : NONE}
              label={`What silencing circuits does in ${called}, ${axis.tasks.length} tasks.`}
              colour={(value) => signedColour(one.loss(value), end, night)}
              diagonal
              domains
              controls={one.rows.map((row) => ({ label: row.label, value: (_, at) => row.value(at) }))}
              says={says(one)}
            />
            {!first && <TakeAway name={`${called}.ablation.${effect}.${sel}.${kind}`} picture={second} csv={() => csv(columns, table(one))} />}
          </Fragment>
        ))}
        <Legend from={`gained ${number(end)}`} to={`lost ${number(end)}`} colour={(share) => signedColour(2 * share - 1, 1, night)} />
      </div>
    </Frame>
  );
}
