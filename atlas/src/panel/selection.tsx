/** Lassoed units: how many, of which circuits, in which layers; as a mask to lesion them. */
import { useMemo } from "preact/hooks";
import { useSignal } from "@preact/signals";
import { byChanceInLayers, perLayer } from "../chance";
import type { Masks, Model, Scores } from "../contract";
import { fileOf, library, scoresName, useFile } from "../data";
import { saveCsv } from "../export";
import { count, number, selName, unitName } from "../format";
import { siteLabel, taskLabel } from "../names";
import { countOfRuns, model, runsOfUnits, selectLasso, selectTasks, selectUnit, state, unitsOfRuns, type Lasso } from "../state";
import { unitsOf, widthOf, widthsOf } from "../units";
import { command, maskCsv, maskName } from "./mask";
import { Absent, Part } from "./part";

export function SelectionPanel() {
  const lasso = state.lasso.value;
  const own = model.value;
  if (!lasso || !own) return null;
  return <Selection lasso={lasso} own={own} />;
}

/** Lists longer than this are counted. */
const LISTED = 24;
/** Circuits that are named. */
const LISTED_CIRCUITS = 10;

function Selection({ lasso, own }: { lasso: Lasso; own: Model }) {
  const width = widthOf(own, lasso.site);
  const all = unitsOf(own, lasso.site);
  const n = countOfRuns(lasso.runs);
  const units = useMemo(() => unitsOfRuns(lasso.runs), [lasso]);
  const sel = state.sel.value;
  const masks = useFile<Masks>(fileOf(own, sel === own.main_sel ? `${lasso.site}.masks` : `${lasso.site}.masks.${sel}`));
  const circuits = masks.state === "ready" && Object.hasOwn(masks.value, sel) ? masks.value[sel]! : {};
  const layers = [...new Set(units.map((flat) => Math.floor(flat / width)))];
  const inside = useMemo(() => new Set(units), [units]);
  const here = useMemo(() => perLayer(units, own.layers, width), [units, own, width]);
  const rows = Object.entries(circuits)
    .map(([task, circuit]) => {
      const held = circuit.units.values.filter((flat) => inside.has(flat)).length;
      const chance = byChanceInLayers(here, perLayer(circuit.units.values, own.layers, width), widthsOf(own, lasso.site));
      return { task, held, size: circuit.units.values.length, chance };
    })
    .filter((row) => row.held > 0)
    .sort((a, b) => b.held - a.held);
  const copied = useSignal(false);
  const name = maskName(own, n);
  const line = command(own, name);
  const keep = (): void => {
    const held = new Set<number>();
    for (const circuit of Object.values(circuits)) for (const flat of circuit.units.values) if (inside.has(flat)) held.add(flat);
    selectLasso({ site: lasso.site, runs: runsOfUnits(held) });
  };
  const take = (): void => {
    const colour = state.colour.peek();
    const scores = colour.by === "task" ? library().peek<Scores>(fileOf(own, scoresName(lasso.site, colour.task, state.estimator.peek())))?.scores : undefined;
    saveCsv(name, maskCsv(own, lasso.site, width, units, scores && ((flat) => scores.values[flat])));
  };
  return (
    <Part title={`${count(n)} units`} sub={`lassoed ${siteLabel(own, lasso.site)}`} onClose={() => selectLasso(undefined)}>
      <p>
        {count(n)} of {count(all)} units, in {layers.length === 1 ? `layer ${layers[0]}` : `${layers.length} layers (${Math.min(...layers)} to ${Math.max(...layers)})`}.
      </p>
      {n <= LISTED && (
        <p class="chips">
          {units.map((flat) => (
            <button type="button" key={flat} onClick={() => selectUnit({ site: lasso.site, layer: Math.floor(flat / width), unit: flat % width })}>
              {unitName(lasso.site, Math.floor(flat / width), flat % width)}
            </button>
          ))}
        </p>
      )}
      {rows.length > 0 ? (
        <>
          <table>
            <caption>Circuits ({selName(sel)}) with units in it; by chance: expected of as many random units of the same layers</caption>
            <thead>
              <tr>
                <th scope="col">task</th>
                <th scope="col">units</th>
                <th scope="col">by chance</th>
              </tr>
            </thead>
            <tbody>
              {rows.slice(0, LISTED_CIRCUITS).map((row) => (
                <tr key={row.task}>
                  <th scope="row">
                    <button type="button" class="link" onClick={() => selectTasks(row.task)}>{taskLabel(row.task)}</button>
                  </th>
                  <td>{row.held} of {row.size}</td>
                  <td class="soft">{number(row.chance)}</td>
                </tr>
              ))}
            </tbody>
          </table>
          {rows.length > LISTED_CIRCUITS && <p class="soft">… and {rows.length - LISTED_CIRCUITS} more circuits with as many units or fewer</p>}
          <p>
            <button type="button" onClick={keep}>Keep only units of circuits</button>
          </p>
        </>
      ) : (
        <Absent>No circuit of the {selName(sel)} has a unit in it.</Absent>
      )}
      <h3>Take it away</h3>
      <p>
        <button type="button" onClick={take}>Mask as CSV</button> <span class="soft">then lesion it, beside as many random units:</span>
      </p>
      <p class="command">
        <code>{line}</code>
        <button
          type="button"
          onClick={() => void navigator.clipboard?.writeText(line).then(() => {
            copied.value = true;
            setTimeout(() => (copied.value = false), 1500);
          }, () => undefined)}
        >
          {copied.value ? "Copied" : "Copy"}
        </button>
      </p>
    </Part>
  );
}
