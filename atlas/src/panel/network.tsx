/** The page of a network: how large, what it responds to, what silencing it does, beside random units. */
import type { Model, Networks, UnitsFile } from "../contract";
import { fileOf, ready, useFile } from "../data";
import { csv } from "../export";
import { count, methodName, number, ratio, unitName } from "../format";
import { modelLabel } from "../names";
import { model, runsOfUnits, selectLasso, selectNetwork, selectUnit, state, type NetworkPlace } from "../state";
import { TakeAway } from "../take-away";
import { unitsOf } from "../units";
import { Absent, Loading, Part } from "./part";
import { Places, Tokens } from "./tokens";
import { driversOf, harm, sideOf, type Net, type Nets } from "../views/networks";
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
  const nets = ready(useFile<Nets>(fileOf(own, "nets")));
  const driving = nets ? driversOf(nets.driving, place.dataset, place.network) : [];
  const side = sideOf(driving);
  // First tokens of texts do not count there.
  const beyond = (side === "low" ? page?.driven?.highest : page?.driven?.lowest)?.filter((one) => (side === "low" ? one.value > 0 : one.value < 0)) ?? [];
  const row = nets?.rows.find((one) => one.dataset === place.dataset && one.network === place.network);
  const size = own.layers * width;
  const members = value ? [...(value.members[place.network]?.values ?? [])] : [];
  const z = (flat: number): number => value!.maps.values[place.network * size + flat]!;
  members.sort((a, b) => Math.abs(z(b)) - Math.abs(z(a)));
  const table = (): string =>
    csv(["model", "dataset", "network", "layer", "unit", "z"], members.map((flat) => [own.name, place.dataset, name, Math.floor(flat / width), flat % width, z(flat)]));
  return (
    <Part title={named.label} sub={`network ${place.network} of ${place.dataset} · ${modelLabel(own)}`} onClose={() => selectNetwork(undefined)}>
      {file.state === "loading" && <Loading />}
      {value && (
        <>
          <p>
            {count(members.length)} of {count(unitsOf(own, site))} units ({info.site.replaceAll("_", " ")}) with |z| &gt; {number(value.threshold)}, found by {methodName(info.method)} over texts of {place.dataset}.
          </p>
          <Effects row={row} />
          <Block title={`What drives it: its course is ${side} here`}>
            {driving.length ? (
              <>
                <Places places={driving.map((one) => ({ ...one, value: one.course }))} unit="course" />
                <p class="caption">
                  Its course at the marked token, among the texts of {place.dataset}: the mean standardised signal of its units, above 0 where these are above
                  their means, whatever their signs in the map.
                </p>
              </>
            ) : (
              <Absent>The texts that drive it were not looked for: networks.following makes them.</Absent>
            )}
          </Block>
          {beyond.length > 0 && (
            <Block title={`Where its course is ${side === "low" ? "high" : "low"}`}>
              <Places places={beyond} unit="course" />
            </Block>
          )}
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

/** What silencing it does, beside as many random units. */
function Effects({ row }: { row: Net | undefined }) {
  if (!row?.silenced) return <Absent>What silencing it does was not measured: networks.editing makes it.</Absent>;
  const { value, low, high, intact, n } = row.silenced;
  const random = row.random ?? [];
  return (
    <>
      <p>
        Silenced, it multiplies perplexity by <b>{ratio(harm(row))}</b>: {number(intact)} becomes {number(value)}{" "}
        <span class="soft">
          [{number(low)}, {number(high)}], n = {n} passages
        </span>
        .
      </p>
      <p class="control">
        Control: as many random units make it {random.map((one) => number(one.value)).join(", ") || "–"}
        {typeof row.silenced.q_random === "number" && ` (q of the difference ${number(row.silenced.q_random)})`}.
      </p>
    </>
  );
}
