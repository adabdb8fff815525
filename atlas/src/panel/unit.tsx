/** The page of a unit: what it does in every task, in which maps it is, what it writes, what drives it. */
import { useSignal, useSignalEffect } from "@preact/signals";
import { useRef } from "preact/hooks";
import type { LayerScores, Localizer, Masks, Model, Networks, Silenced, UnitsFile } from "../contract";
import { fileOf, library, manifest, ready, useFile } from "../data";
import { csv } from "../export";
import { count, number, selName, signed, unitName } from "../format";
import { domainLabel, modelLabel, siteLabel, taskLabel } from "../names";
import { model, selectColour, selectLayer, selectNetwork, selectUnit, state, type UnitPlace } from "../state";
import { TakeAway } from "../take-away";
import { unitsOf } from "../units";
import { Dots } from "./dots";
import { Absent, Loading, Part } from "./part";
import { localizerRow, networkRows, taskRows } from "./rows";
import { Places, Tokens } from "./tokens";

/** The unit whose page is shown: the cursor may pass many before it rests. */
const REST = 120;

export function UnitPage() {
  const shown = useSignal(state.unit.peek());
  useSignalEffect(() => {
    const next = state.unit.value;
    const timer = setTimeout(() => (shown.value = next), next && shown.peek() ? REST : 0);
    return () => clearTimeout(timer);
  });
  const unit = shown.value;
  const own = model.value;
  if (!unit || !own || !state.unit.value) return null;
  return <Page unit={unit} own={own} />;
}

function Page({ unit, own }: { unit: UnitPlace; own: Model }) {
  const circuitUnits = own.components.find((one) => one.name === unit.site);
  const name = unitName(unit.site, unit.layer, unit.unit);
  const site = circuitUnits?.site ?? unit.site;
  return (
    <Part title={name} sub={`${siteLabel(own, unit.site)} · ${modelLabel(own)}`} onClose={() => selectUnit(undefined)}>
      {circuitUnits ? (
        <Circuits unit={unit} own={own} name={name} />
      ) : (
        <Absent>Circuits are made of {own.components.map((one) => one.label).join(" and ") || "no units here"}; this is a unit of another site.</Absent>
      )}
      <Localizers unit={unit} own={own} site={site} />
      <NetworksOf unit={unit} own={own} site={site} />
      <Written unit={unit} own={own} site={site} />
      {circuitUnits && <Alone unit={unit} own={own} />}
    </Part>
  );
}

interface Of {
  unit: UnitPlace;
  own: Model;
}

function Circuits({ unit, own, name }: Of & { name: string }) {
  const picture = useRef<SVGSVGElement>(null);
  const layer = useFile<LayerScores>(fileOf(own, `${unit.site}.layer.${unit.layer}`));
  // Masks of all sizes: the main one is here already, the others are asked for with the page.
  const masks: Masks = {};
  for (const sel of own.sels) {
    const file = fileOf(own, sel === own.main_sel ? `${unit.site}.masks` : `${unit.site}.masks.${sel}`);
    const found = file === undefined ? undefined : library().get<Masks>(file).value;
    if (found?.state === "ready" && Object.hasOwn(found.value, sel)) masks[sel] = found.value[sel]!;
  }
  if (layer.state === "loading") return <Loading />;
  if (layer.state !== "ready") return <Absent>There are no scores of this layer{layer.state === "failed" ? `: ${layer.why}` : ""}.</Absent>;
  const study = manifest.value!;
  const rows = taskRows(study, own, layer.value, masks, unit);
  const sel = state.sel.value;
  const held = rows.filter((row) => row.masks.includes(sel));
  const domains = [...new Set(held.map((row) => domainLabel(row.domain)))];
  const columns = ["model", "component", "layer", "unit", "task", "attribution", "rank", "n_items", "circuits"];
  const table = (): string =>
    csv(columns, rows.map((row) => [own.name, unit.site, unit.layer, unit.unit, row.task, row.score, row.rank, row.nItems, row.masks.join(" ")]));
  return (
    <>
      <p>
        {held.length === 0
          ? `In no circuit of the ${selName(sel)}.`
          : `In ${held.length} of ${rows.length} circuits (${selName(sel)}), of ${domains.join(", ")}.`}
        {held.length === 0 && smallest(rows.flatMap((row) => row.masks), own)}
      </p>
      <Dots rows={rows} of={unitsOf(own, unit.site)} sel={sel} name={name} picture={picture} />
      <p class="caption">Filled: in the task's circuit. Ranks are of all {count(unitsOf(own, unit.site))} units; attribution is in units of the normalised metric, averaged over a task's items.</p>
      <p class="links">
        <button type="button" class="link" onClick={() => selectLayer(unit.layer)}>Layer {unit.layer}</button>
      </p>
      <TakeAway name={`${own.name}.${name}`} picture={picture} csv={table} />
    </>
  );
}

/** The smallest size at which a unit of no circuit is in one. */
function smallest(masks: string[], own: Model): string {
  const found = own.sels.find((sel) => masks.includes(sel));
  return found ? ` It is in ${masks.filter((sel) => sel === found).length} of the ${selName(found)}.` : "";
}

function Localizers({ unit, own, site }: Of & { site: string }) {
  if (!own.localizers.length) return <Block title="Localizers"><Absent>This model has no localizer: localizer.networks makes them.</Absent></Block>;
  const here = own.localizers.filter((one) => one.site === site);
  if (!here.length) {
    const sites = [...new Set(own.localizers.map((one) => one.site))].join(", ");
    return (
      <Block title="Localizers">
        <Absent>Localizers of this study look at {sites}; localizer.site: {site} makes them of these units.</Absent>
      </Block>
    );
  }
  return (
    <Block title="Localizers">
      {here.map((one) => (
        <LocalizerLine key={one.name} own={own} name={one.name} label={one.label} unit={unit} />
      ))}
    </Block>
  );
}

function LocalizerLine({ own, name, label, unit }: { own: Model; name: string; label: string; unit: UnitPlace }) {
  const file = useFile<Localizer>(fileOf(own, `localizer.${name}`));
  if (file.state !== "ready") return <Loading />;
  const row = localizerRow(label, file.value, unit);
  return (
    <p>
      <button type="button" class="link" onClick={() => selectColour({ by: "localizer", localizer: name })}>{label}</button>: t = {number(row.t)}, rank {count(row.rank)} of {count(row.of)}
      {row.selections.length ? `; selected in ${row.selections.join(", ")}` : "; not selected"}.
    </p>
  );
}

function NetworksOf({ unit, own, site }: Of & { site: string }) {
  if (!own.networks.length) return <Block title="Networks"><Absent>This model has no networks: networks.datasets makes them.</Absent></Block>;
  const here = own.networks.filter((one) => one.site === site);
  if (!here.length) {
    const sites = [...new Set(own.networks.map((one) => one.site))].join(", ");
    return (
      <Block title="Networks">
        <Absent>Networks of this study consist of units of {sites}; networks.site: {site} makes them of these units.</Absent>
      </Block>
    );
  }
  return (
    <Block title="Networks">
      {here.map((one) => (
        <NetworkLine key={one.dataset} own={own} dataset={one.dataset} unit={unit} />
      ))}
    </Block>
  );
}

function NetworkLine({ own, dataset, unit }: { own: Model; dataset: string; unit: UnitPlace }) {
  const file = useFile<Networks>(fileOf(own, `networks.${dataset}`));
  if (file.state !== "ready") return <Loading />;
  const info = own.networks.find((one) => one.dataset === dataset)!;
  const rows = networkRows(file.value, unit);
  const members = rows.filter((row) => row.member);
  const list = members.length ? members : rows.slice(0, 1);
  return (
    <p>
      {dataset}: {members.length ? "" : "in none; nearest "}
      {list.map((row, i) => (
        <span key={row.network}>
          {i > 0 && ", "}
          <button type="button" class="link" onClick={() => selectNetwork({ dataset, network: row.network })}>
            {info.networks[row.network]?.label ?? `network ${row.network}`}
          </button>{" "}
          (z = {number(row.z)})
        </span>
      ))}
      <span class="soft"> · in a network where |z| &gt; {number(file.value.threshold)}</span>
    </p>
  );
}

function Written({ unit, own, site }: Of & { site: string }) {
  const file = useFile<UnitsFile>(fileOf(own, "units"));
  const units = ready(file);
  if (file.state === "absent") return <Block title="Tokens"><Absent>What units promote was not computed: atlas.units and atlas.tokens make it.</Absent></Block>;
  if (file.state === "loading") return <Loading />;
  if (!units) return <Absent>{file.state === "failed" ? file.why : ""}</Absent>;
  const page = units.units.find((one) => one.site === site && one.layer === unit.layer && one.unit === unit.unit);
  if (!page) {
    return (
      <Block title="Tokens">
        <Absent>Only the {count(units.units.length)} units that circuits, localizers and networks choose first have their tokens and texts: atlas.units makes more.</Absent>
      </Block>
    );
  }
  const { driven } = page;
  const lowest = driven && driven.highest[0] && driven.lowest[0] && driven.mean !== null && driven.mean - driven.lowest[0].value >= 2 * Math.max(driven.highest[0].value - driven.mean, 0);
  return (
    <>
      {page.promotes.length + page.suppresses.length > 0 && (
        <Block title="Tokens that its write vector">
          <div class="two">
            <Tokens label="promotes" tokens={page.promotes} />
            <Tokens label="suppresses" tokens={page.suppresses} />
          </div>
          <p class="caption">
            Change of the logit, by the logit lens{page.share !== undefined && page.share !== null && page.share < 1 ? `; this direction is ${Math.round(100 * page.share)} % of the head's output` : ""}. Below 0 the unit does the opposite.
          </p>
        </Block>
      )}
      {driven && driven.highest.length > 0 && (
        <Block title={lowest ? "What drives it most (downwards)" : "What drives it most"}>
          <Places places={lowest ? driven.lowest : driven.highest} unit="activation" />
          <p class="caption">
            Activation at the marked token, in the texts of {[...new Set(driven.highest.map((place) => place.dataset))].join(", ")}
            {driven.mean !== null && `; mean of all tokens ${number(driven.mean)} (s.d. ${number(driven.sd)})`}.
          </p>
        </Block>
      )}
    </>
  );
}

function Alone({ unit, own }: Of) {
  const file = useFile<Silenced[]>(fileOf(own, "silenced"));
  const rows = ready(file)?.filter((row) => row.component === unit.site && row.layer === unit.layer && row.unit === unit.unit) ?? [];
  if (file.state === "loading") return <Loading />;
  return (
    <Block title="Alone">
      {rows.length ? (
        <ul class="plain">
          {rows.map((row) => (
            <li key={`${row.task} ${row.source}`}>
              {taskLabel(row.task)}: {row.effect === null ? "–" : signed(row.effect)} <span class="soft">({row.source})</span>
            </li>
          ))}
        </ul>
      ) : (
        <Absent>The effect of this unit alone was not measured: attribution.agreement measures a sample of units.</Absent>
      )}
    </Block>
  );
}

export function Block({ title, children }: { title: string; children: preact.ComponentChildren }) {
  return (
    <section class="block" aria-label={title}>
      <h3>{title}</h3>
      {children}
    </section>
  );
}
