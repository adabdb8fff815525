/** The page of a network: how large, what it responds to, what silencing it does, beside random units. */
import type { Model, Networks, Row, UnitsFile } from "../contract";
import { fileOf, ready, useFile } from "../data";
import { csv } from "../export";
import { count, number, unitName } from "../format";
import { modelLabel, taskLabel } from "../names";
import { model, runsOfUnits, selectLasso, selectNetwork, selectUnit, state, type NetworkPlace } from "../state";
import { TakeAway } from "../take-away";
import { Absent, Loading, Part } from "./part";
import { Places, Tokens } from "./tokens";
import { Block } from "./unit";

const LISTED = 10;

export function NetworkPanel() {
  const place = state.network.value;
  const own = model.value;
  if (!place || !own) return null;
  return <NetworkPage own={own} place={place} />;
}

function NetworkPage({ own, place }: { own: Model; place: NetworkPlace }) {
  const info = own.networks.find((one) => one.dataset === place.dataset);
  const named = info?.networks[place.network];
  const file = useFile<Networks>(fileOf(own, `networks.${place.dataset}`));
  const pages = ready(useFile<UnitsFile>(fileOf(own, "units")));
  if (!info || !named) return null;
  const page = pages?.networks.find((one) => one.dataset === place.dataset && one.network === place.network);
  const value = ready(file);
  const name = value?.names[place.network] ?? named.name;
  const width = info.width;
  const site = own.components.find((one) => one.site === info.site)?.name ?? info.site;
  const driving = value ? drivingOf(value, name) : [];
  const size = own.layers * width;
  const members = value ? [...(value.members[place.network]?.values ?? [])] : [];
  const z = (flat: number): number => value!.maps.values[place.network * size + flat]!;
  members.sort((a, b) => Math.abs(z(b)) - Math.abs(z(a)));
  const table = (): string =>
    csv(["model", "dataset", "network", "layer", "unit", "z"], members.map((flat) => [own.name, place.dataset, name, Math.floor(flat / width), flat % width, z(flat)]));
  return (
    <Part title={named.label} sub={`network of ${place.dataset} · ${modelLabel(own)}`} onClose={() => selectNetwork(undefined)}>
      {file.state === "loading" && <Loading />}
      {value && (
        <>
          <p>
            {count(members.length)} of {count(size)} units ({info.site.replaceAll("_", " ")}) with |z| &gt; {number(value.threshold)}, found by {info.method} over texts of {place.dataset}.
          </p>
          <Effects rows={value.effects} name={name} />
          <Block title="What drives it">
            {driving.length ? (
              <>
                <Places places={driving} unit="course" />
                <p class="caption">Its course (z) at the marked token, among the texts of {place.dataset}.</p>
              </>
            ) : (
              <Absent>The texts that drive it were not looked for: networks.following makes them.</Absent>
            )}
          </Block>
          {page && page.promotes.length + page.suppresses.length > 0 && (
            <Block title="Tokens that its direction">
              <div class="two">
                <Tokens label="promotes" tokens={page.promotes} />
                <Tokens label="suppresses" tokens={page.suppresses} />
              </div>
            </Block>
          )}
          <Block title="Its strongest units">
            <p class="chips">
              {members.slice(0, LISTED).map((flat) => (
                <button type="button" key={flat} title={`z = ${number(z(flat))}`} onClick={() => selectUnit({ site, layer: Math.floor(flat / width), unit: flat % width })}>
                  {unitName(site, Math.floor(flat / width), flat % width)}
                </button>
              ))}
            </p>
            <p class="links">
              <button type="button" onClick={() => selectLasso({ site, runs: runsOfUnits(members) })}>Select all {count(members.length)}</button>
            </p>
          </Block>
          <TakeAway name={`${own.name}.${place.dataset}.${name}`} csv={table} />
        </>
      )}
      {file.state === "failed" && <Absent>{file.why}</Absent>}
    </Part>
  );
}

const text = (value: Row[string] | undefined): string => (value === null || value === undefined ? "" : String(value));
const numeric = (value: Row[string] | undefined): number => (typeof value === "number" ? value : NaN);

export function drivingOf(value: Networks, name: string): { before: string; token: string; after: string; value: number }[] {
  return value.driving
    .filter((row) => row.network === name)
    .map((row) => ({ before: text(row.before), token: text(row.token), after: text(row.after), value: numeric(row.course) }));
}

/** Silencing (and amplifying) this network, each beside as many random units. */
function Effects({ rows, name }: { rows: Row[]; name: string }) {
  const own = rows.filter((row) => row.condition === name);
  if (!own.length) return <Absent>What silencing it does was not measured: networks.editing makes it.</Absent>;
  const n = [...new Set(own.map((row) => text(row.n)))].filter(Boolean);
  return (
    <>
      <table>
        <caption>What editing it does; control: as many random units</caption>
        <thead>
          <tr>
            <th scope="col">edited</th>
            <th scope="col">network</th>
            <th scope="col" class="control">random</th>
            <th scope="col">intact</th>
          </tr>
        </thead>
        <tbody>
          {own.map((row, i) => {
            const random = rows.filter((one) => one.condition === "random" && one.control_of === name && one.how === row.how && one.amount === row.amount && one.metric === row.metric && one.task === row.task);
            const mean = random.reduce((sum, one) => sum + numeric(one.value), 0) / random.length;
            const what = text(row.task) ? taskLabel(text(row.task)) : text(row.metric).replaceAll("_", " ");
            const how = row.how === "inhibit" ? "silenced" : `${text(row.how)} ${text(row.amount)}`.trim();
            return (
              <tr key={i}>
                <th scope="row">
                  {what} <span class="soft">{how}</span>
                </th>
                <td>
                  <b>{number(numeric(row.value))}</b>
                  <br />
                  <span class="soft">{number(numeric(row.low))} to {number(numeric(row.high))}</span>
                </td>
                <td class="control">{random.length ? number(mean) : "–"}</td>
                <td class="soft">{number(numeric(row.intact))}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
      <p class="caption">95 % intervals below the values; n = {n.join(", ") || "–"} texts or items.</p>
    </>
  );
}
