/** Where to begin: what stands out in this model, each line a link into the views, each beside its control. */
import type { Matrices, Model, Row, Summary } from "../contract";
import { fileOf, manifest, ready, useFile } from "../data";
import { count, number, percent, ratio, selName, short } from "../format";
import { domainColour, domainIndex, domainLabel, modelLabel, taskLabel } from "../names";
import { markOf } from "../palette";
import { component, includedTasks, model, selectColour, selectCompare, selectDomain, selectModel, selectNetwork, selectTasks, state } from "../state";
import { unitsOf } from "../units";
import { together } from "../views/domains";
import { chance } from "../views/words";
import { separations, sharingPairs, twinOf } from "./overview";
import { Absent, Part } from "./part";
import { Block } from "./unit";

export function Overview() {
  const own = model.value;
  const study = manifest.value;
  if (!own || !study) return null;
  const twin = twinOf(study, own);
  const tasks = includedTasks.value.length;
  const units = component.value;
  return (
    <Part title={modelLabel(own)} sub={own.series ? `${own.series.axis} ${own.series.step}` : undefined}>
      <p>
        {own.matrices_only
          ? "Published results: matrices of tasks, no units."
          : units
            ? `${count(unitsOf(own, units.name))} ${units.label} in ${own.layers} layers, mapped on ${tasks} tasks of ${new Set(includedTasks.value.map((task) => task.split("/")[0])).size} domains.`
            : "It is mapped on no task."}
      </p>
      <Domains own={own} twin={twin} site={units?.name ?? "neurons"} />
      <Pairs own={own} site={units?.name ?? "neurons"} />
      <Harm own={own} />
      <ControlLine own={own} twin={twin} />
    </Part>
  );
}

function useMatrices(own: Model | undefined): Matrices | undefined {
  return ready(useFile<Matrices>(fileOf(own, "matrices")));
}

function Domains({ own, twin, site }: { own: Model; twin: Model | undefined; site: string }) {
  const sel = own.sels.includes(state.sel.value) ? state.sel.value : own.main_sel;
  const summary = useFile<{ domains: Row[] }>(manifest.value?.files?.summary);
  if (summary.state !== "ready") return null;
  const rows = separations(summary.value.domains, own.name, site, sel);
  const other = twin ? separations(summary.value.domains, twin.name, site, sel) : [];
  if (!rows.length) return null;
  return (
    <Block title="How separate are the domains?">
      <table>
        <caption>Mean share of units that two circuits ({selName(sel)}) have in common: both of the domain, or one of another</caption>
        <thead>
          <tr>
            <th scope="col">domain</th>
            <th scope="col">within</th>
            <th scope="col">others</th>
            <th scope="col">difference</th>
            <th scope="col">q</th>
            {twin && <th scope="col" class="control">{twin.control ? "control" : "trained"}</th>}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => {
            const same = other.find((one) => one.domain === row.domain);
            return (
              <tr key={row.domain}>
                <th scope="row">
                  <button
                    type="button"
                    class="link"
                    onClick={() => {
                      selectColour({ by: "domain" });
                      selectDomain(row.domain);
                    }}
                  >
                    <span style={{ color: domainColour(row.domain) }} aria-hidden="true">{markOf(row.domain, domainIndex(row.domain))}</span> {domainLabel(row.domain)}
                  </button>
                </th>
                <td>{percent(row.within)}</td>
                <td>{percent(row.cross)}</td>
                <td><b>{percent(row.difference)}</b></td>
                <td class="soft">{short(row.q)}</td>
                {twin && <td class={twin.control ? "control" : undefined} title={same ? `q = ${number(same.q)}` : undefined}>{same ? percent(same.difference) : "–"}</td>}
              </tr>
            );
          })}
        </tbody>
      </table>
      <p class="caption">Most separate first: by the difference, in points, which q tests (domain labels shuffled){twin?.control ? `. Control: ${twin.label}` : ""}.</p>
    </Block>
  );
}

function Pairs({ own, site }: { own: Model; site: string }) {
  const file = useMatrices(own);
  const sel = own.sels.includes(state.sel.value) ? state.sel.value : own.main_sel;
  if (!file) return null;
  const pairs = sharingPairs(manifest.value!, file, site, sel);
  if (!pairs.length) return null;
  return (
    <Block title="Which tasks of different domains share units?">
      <ul class="plain">
        {pairs.map(({ a, b, share }) => (
          <li key={`${a} ${b}`}>
            <button type="button" class="link" onClick={() => selectTasks(a, b)}>
              {taskLabel(a)} and {taskLabel(b)}
            </button>{" "}
            <span class="soft">{percent(share)}</span>
          </li>
        ))}
      </ul>
      <p class="caption">Mean of both directions. For any other two, choose one task, then “and” another.</p>
    </Block>
  );
}

function Harm({ own }: { own: Model }) {
  const all = own.networks.flatMap((set) => set.networks.map((one, network) => ({ ...one, network, dataset: set.dataset })));
  if (!all.length) return own.matrices_only ? null : <Block title="Networks"><Absent>This model has no networks: networks.datasets makes them.</Absent></Block>;
  const harmful = all.filter((one) => typeof one.harm === "number").sort((a, b) => b.harm! - a.harm!);
  const shown = (harmful.length ? harmful : all).slice(0, 5);
  return (
    <Block title={harmful.length ? "Which networks does the model need most?" : "Networks"}>
      <table>
        {harmful.length > 0 && <caption>Perplexity, as a multiple of the intact model's, where it is silenced; control: as many random units</caption>}
        <thead>
          <tr>
            <th scope="col">its course is</th>
            <th scope="col">of</th>
            <th scope="col">units</th>
            {harmful.length > 0 && <th scope="col">harm</th>}
            {harmful.length > 0 && <th scope="col" class="control">random</th>}
          </tr>
        </thead>
        <tbody>
          {shown.map((one) => (
            <tr key={`${one.dataset} ${one.network}`}>
              <th scope="row">
                <button type="button" class="link" onClick={() => selectNetwork({ dataset: one.dataset, network: one.network })}>{one.label}</button>
              </th>
              <td class="soft">{one.dataset} {one.network}</td>
              <td>{count(one.n_units)}</td>
              {harmful.length > 0 && <td><b>× {ratio(one.harm)}</b></td>}
              {harmful.length > 0 && <td class="control">× {ratio(one.control)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </Block>
  );
}

function ControlLine({ own, twin }: { own: Model; twin: Model | undefined }) {
  const summary = useFile<Summary>(manifest.value?.files?.summary);
  if (!twin) return own.control || own.matrices_only ? null : <Block title="Control"><Absent>This study has no untrained control: untrained: true and control: true make one.</Absent></Block>;
  const sel = own.sels.includes(state.sel.value) ? state.sel.value : own.main_sel;
  const all = (one: Model) =>
    summary.state === "ready"
      ? together(summary.value, { model: one.name, component: component.value?.name ?? "neurons", sel, measure: "containment" })
      : undefined;
  const [here, there] = [all(own), all(twin)];
  const mapped = Object.values(twin.tasks).filter((task) => task.included).length;
  return (
    <Block title={own.control ? "The trained model" : "Does the untrained model have any of it?"}>
      <p>
        <button type="button" class="link" onClick={() => selectModel(twin.name)}>{modelLabel(twin)}</button>: mapped on {mapped} of {Object.keys(twin.tasks).length} tasks
        {twin.networks.length === 0 && twin.control && own.networks.length > 0 ? ", no networks were sought in it" : ""}.
        {here && there && ` Its circuits share ${percent(there.difference)} more units within domains than across (${chance("p", there.p)}); those of ${modelLabel(own)} ${percent(here.difference)} (${chance("p", here.p)}).`}{" "}
        <button
          type="button"
          onClick={() => {
            selectCompare({ model: twin.name });
            document.getElementById("compare")?.scrollIntoView({ behavior: "smooth", block: "start" });
          }}
        >
          Compare the two maps
        </button>
      </p>
    </Block>
  );
}
