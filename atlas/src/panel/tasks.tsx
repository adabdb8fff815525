/** The chosen tasks: one task's circuit, or what several share. */
import type { Masks, Model } from "../contract";
import { fileOf, useFile } from "../data";
import { csv } from "../export";
import { count, number, selName, signed, unitName } from "../format";
import { domainLabel, modelOf, taskLabel, taskOf } from "../names";
import { component, includedTasks, model, runsOfUnits, selectLasso, selectTasks, selectUnit, state, toggleTask } from "../state";
import { TakeAway } from "../take-away";
import { unitsOf } from "../units";
import { sharedUnits } from "../views/shared";
import { Absent, Loading, Part } from "./part";

const LISTED = 16;

export function TasksPanel() {
  const tasks = state.tasks.value;
  const own = model.value;
  const units = component.value;
  if (!own || !units || tasks.length === 0) return null;
  return <Chosen own={own} tasks={tasks} site={units.name} width={units.width} />;
}

function useCircuits(own: Model | undefined, site: string): { state: string; circuits: Masks[string] } {
  const wanted = state.sel.value;
  const sel = own && !own.sels.includes(wanted) ? own.main_sel : wanted;
  const file = useFile<Masks>(fileOf(own, own && sel === own.main_sel ? `${site}.masks` : `${site}.masks.${sel}`));
  return { state: file.state, circuits: file.state === "ready" && Object.hasOwn(file.value, sel) ? file.value[sel]! : {} };
}

function Chosen({ own, tasks, site, width }: { own: Model; tasks: string[]; site: string; width: number }) {
  const { state: loading, circuits } = useCircuits(own, site);
  const twin = own.control ? modelOf(own.of ?? "") : undefined;
  const sel = state.sel.value;
  const title = tasks.length === 1 ? taskLabel(tasks[0]!) : tasks.length === 2 ? `${taskLabel(tasks[0]!)} and ${taskLabel(tasks[1]!)}` : `${tasks.length} tasks`;
  const all = unitsOf(own, site);
  const chosen = tasks.map((task) => (Object.hasOwn(circuits, task) ? circuits[task] : undefined));
  const rows = sharedUnits(chosen, width);
  const sizes = chosen.map((circuit) => circuit?.units.values.length ?? 0);
  const chance = sizes.reduce((product, size) => product * (size / all), all);
  const table = (): string =>
    csv(["model", "component", "selection", "layer", "unit", ...tasks.map((task) => `attribution:${task}`)], rows.map((row) => [own.name, site, sel, row.layer, row.unit, ...row.scores]));
  return (
    <Part title={title} sub={tasks.length === 1 ? domainLabel(taskOf(tasks[0]!)?.domain ?? "") : undefined} onClose={() => selectTasks()}>
      {tasks.length === 1 && <Performance own={own} task={tasks[0]!} />}
      <label class="field inline">
        <span>{tasks.length === 1 ? "What does it share with" : "and with"}</span>
        <select value="" onChange={(event) => event.currentTarget.value && toggleTask(event.currentTarget.value)}>
          <option value="">another task …</option>
          {includedTasks.value
            .filter((task) => !tasks.includes(task))
            .map((task) => (
              <option key={task} value={task}>
                {taskLabel(task)}
              </option>
            ))}
        </select>
      </label>
      {loading === "loading" && <Loading />}
      {loading === "ready" && (
        <>
          {tasks.length > 1 && (
            <p>
              <b>{count(rows.length)} shared units</b> of {sizes.map(count).join(" and ")} in the circuits ({selName(sel)}); by chance one expects {number(chance)}.
            </p>
          )}
          {tasks.length === 1 && (
            <p>
              Its circuit has {count(rows.length)} of {count(all)} units ({selName(sel)}).
            </p>
          )}
          {rows.length > 0 ? (
            <div class="scroll">
              <table>
                <caption>{tasks.length === 1 ? "Units of the circuit, strongest first" : "Shared units, strongest first"}</caption>
                <thead>
                  <tr>
                    <th scope="col">unit</th>
                    {tasks.map((task) => (
                      <th scope="col" key={task}>{tasks.length === 1 ? "attribution" : taskLabel(task)}</th>
                    ))}
                  </tr>
                </thead>
                <tbody>
                  {rows.slice(0, LISTED).map(({ flat, layer, unit, scores }) => (
                    <tr key={flat}>
                      <th scope="row">
                        <button type="button" class="link" onClick={() => selectUnit({ site, layer, unit })}>{unitName(site, layer, unit)}</button>
                      </th>
                      {scores.map((score, i) => (
                        <td key={tasks[i]}>{signed(score)}</td>
                      ))}
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          ) : (
            <Absent>{tasks.length > 1 ? "They share no unit at this size; choose larger circuits above." : `${own.label} has no circuit for it.`}</Absent>
          )}
          {rows.length > LISTED && <p class="soft">… and {count(rows.length - LISTED)} more, in the CSV.</p>}
          {rows.length > 0 && (
            <p class="links">
              <button type="button" onClick={() => selectLasso({ site, runs: runsOfUnits(rows.map((row) => row.flat)) })}>Select these units</button>
            </p>
          )}
          <TakeAway name={`${own.name}.${site}.${tasks.join(" and ")}`} csv={table} />
        </>
      )}
      {twin && <p class="soft">{own.label} is a control: {twin.label} with weights that were never trained.</p>}
    </Part>
  );
}

function Performance({ own, task }: { own: Model; task: string }) {
  const said = Object.hasOwn(own.tasks, task) ? own.tasks[task] : undefined;
  if (!said) return <Absent>{own.label} was not asked this task.</Absent>;
  const reason = said.included ? said.reason.charAt(0).toUpperCase() + said.reason.slice(1) : `Not mapped: ${said.reason}`;
  return (
    <p>
      {reason}{said.included && said.n_items !== null && `; its circuit is a mean over ${said.n_items} items`}.
    </p>
  );
}
