/** What silencing a circuit does to every task, with as many other units as controls. */
import { useRef } from "preact/hooks";
import type { Control, FloatGrid, Model } from "../contract";
import { fileOf, ready } from "../data";
import { count, number, selName, signed } from "../format";
import { signedColour } from "../palette";
import { model, selectSel, selectTasks, state } from "../state";
import { dark } from "../theme";
import { Choice, Frame, Note, Waiting } from "./frame";
import { pairs, reach, valueAt } from "./matrix";
import { Legend, MatrixPicture, type ControlRow } from "./matrix-picture";
import { componentOf } from "./overlap";
import { keeps, names, nearest, plural, useHolding, useMatrices, useOption } from "./study";
import { byDomain } from "./tasks";
import { useWidth } from "./use-width";

const LACKING = "This model has no ablation: `models.NAME.ablation: true` and `ablation.percents` make it.";

export const needs = (own: Model): string | undefined => (fileOf(own, "matrices") ? undefined : LACKING);

export function Ablation() {
  const own = model.value;
  const loaded = useMatrices(own);
  const picture = useRef<SVGSVGElement>(null);
  const [box, width] = useWidth();
  const holding = useHolding(own);
  const matrices = ready(loaded);
  const component = componentOf(matrices, state.component.value);
  const bySel = matrices?.ablation[component] ?? {};
  const sel = nearest(Object.keys(bySel), state.sel.value, own?.main_sel) ?? "";
  const kinds = Object.keys(bySel[sel] ?? {});
  const [kind, setKind] = useOption("ablation.kind", kinds);
  const effects = bySel[sel]?.[kind] ?? {};
  const known = (["accuracy_drop", "score"] as const).filter((one) => effects[one]);
  const [effect, setEffect] = useOption("ablation.effect", known);
  const grid = (effects as Record<string, FloatGrid | undefined>)[effect];
  if (!matrices) return <Waiting loaded={loaded} absent={LACKING} />;
  if (!grid) return <Note>{LACKING}</Note>;
  const axis = byDomain(matrices.tasks, names.value, keeps.value);
  // A score is 1 where nothing is lost.
  const score = effect === "score";
  const loss = (value: number): number => (score ? 1 - value : value);
  const end = reach(grid, axis, true, score ? 1 : 0) || 1;
  const night = dark.value;
  const label = (task: string): string => names.value.task(task);
  const controls = matrices.controls?.[component]?.[sel]?.[kind];
  const of = (control: Control | undefined): FloatGrid | undefined => (score ? control?.score : control?.accuracy_drop);
  const rows: ControlRow[] = [];
  const matched = of(controls?.layer_matched);
  const active = of(controls?.activation_matched);
  const random = of(controls?.random);
  // Drawn for the very circuit of the task: it stands beside the diagonal.
  if (matched) rows.push({ label: "same layers", value: (_, place) => valueAt(matched, place, place) });
  if (active) rows.push({ label: "as active", value: (_, place) => valueAt(active, place, place) });
  if (random) rows.push({ label: "any layer", value: (_, place) => random.values[place] ?? NaN });
  const place = new Map(matrices.tasks.map((task, i) => [task, i]));
  const items = axis.indices.map((i) => controls?.n?.values[i] ?? NaN).filter(Number.isFinite);
  const says = (row: string, column: string, value: number): string[] => {
    const what = score ? `score ${number(value)} (1: as the intact model)` : `accuracy lost ${signed(value)}`;
    const n = controls?.n?.values[place.get(column) ?? -1];
    const said = [`${place.has(row) ? `without the circuit of ${label(row)}` : row} → ${label(column)}`];
    said.push(n ? `${what}, ${n} items` : what);
    const [i, j] = [place.get(row), place.get(column)];
    if (matched && i !== undefined && j !== undefined) {
      const control = valueAt(matched, i, j);
      if (Number.isFinite(control)) said.push(`as many random units of the same layers: ${score ? number(control) : signed(control)}`);
    }
    return said;
  };
  const table = () =>
    [...pairs(grid, axis)].map(([source, target, value]) => {
      const [i, j] = [place.get(source)!, place.get(target)!];
      return [
        source,
        target,
        value,
        matched ? valueAt(matched, i, j) : null,
        random ? random.values[j]! : null,
        controls?.n ? controls.n.values[j]! : null,
      ];
    });
  const few = items.length ? `${Math.min(...items)}${Math.min(...items) === Math.max(...items) ? "" : ` to ${Math.max(...items)}`}` : "";
  const draws = [controls?.layer_matched, controls?.activation_matched, controls?.random].map((one) => one?.trials ?? 0);
  return (
    <Frame
      file={`${own?.name}.ablation.${effect}.${sel}.${kind}`}
      picture={picture}
      choices={
        <>
          <Choice
            label="effect"
            value={effect}
            options={known.map((one) => [one, one === "score" ? "score" : "accuracy lost"])}
            choose={setEffect}
          />
          <Choice label="circuits" value={sel} options={Object.keys(bySel).map((one) => [one, selName(one)])} choose={selectSel} />
          <Choice label="set to" value={kind} options={kinds.map((one) => [one, one])} choose={setKind} />
        </>
      }
      caption={
        <>
          Rows: the circuit that is silenced ({selName(sel)} of {component}, set to {kind} activations). Columns: the task that the
          model then does{few && ` (${few} items each)`}.{" "}
          {rows.length
            ? `Controls, hatched: as many random units, of the layers of the task's own circuit or of any (${count(Math.max(...draws))} draw${Math.max(...draws) === 1 ? "" : "s"}).`
            : "Without controls: ablation.random_trials and layer_matched_trials make them."}
          {holding.size > 0 && ` Dots: ${plural(holding.size, "circuit")} with the chosen unit${state.lasso.value ? "s" : ""}.`}
          {sel !== state.sel.value && ` Only these circuits were silenced (ablation.percents).`}
        </>
      }
      table={{
        columns: ["silenced circuit", "task", score ? "score" : "accuracy lost", "random units, same layers", "random units", "items"],
        rows: table,
        select: (i) => {
          const [one, other] = table()[i]!;
          selectTasks(String(one), String(other));
        },
      }}
    >
      <div ref={box}>
        <MatrixPicture
          picture={picture}
          width={width}
          axis={axis}
          grid={grid}
          names={names.value}
          holding={holding}
          label={`What silencing circuits does, ${axis.tasks.length} tasks.`}
          colour={(value) => signedColour(loss(value), end, night)}
          diagonal
          domains
          controls={rows}
          says={says}
        />
        <Legend
          from={`gained ${number(end)}`}
          to={`lost ${number(end)}`}
          colour={(share) => signedColour(2 * share - 1, 1, night)}
        />
      </div>
    </Frame>
  );
}

