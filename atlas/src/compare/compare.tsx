/** Two models, or two estimators, side by side on one scale, and their difference; a slider where there is a series. */
import { signal, useComputed } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { Localizer, Manifest, Masks, Model, Networks, Scores } from "../contract";
import { fileOf, library, manifest, scoresName } from "../data";
import { sourceLabel } from "../cortex/build";
import { Canvas } from "../cortex/canvas";
import { endOf } from "../cortex/field";
import { Legend } from "../cortex/legend";
import { takePng, takeSvg, takeTable } from "../cortex/take";
import { useField, type Fields } from "../cortex/use-field";
import { count, number, percent } from "../format";
import { modelLabel, taskLabel } from "../names";
import {
  component, estimatorsOf, otherOf, otherSource, otherText, selectCompare, selectModel, source, state, type Colour, type Source,
} from "../state";
import { unitsOf, widthOf, widthsOf } from "../units";
import { bothHighest } from "./agreement";

const HEIGHT = 190;

/** Undefined until chosen: an untrained control would fill a common scale by its noise. */
const oneScale = signal<boolean | undefined>(undefined);
const onOneScale = (a: Source, b: Source): boolean => oneScale.value ?? !(a.model.control || b.model.control);

const ready = <T,>(own: Model, logical: string): T | undefined => {
  const file = fileOf(own, logical);
  const loaded = file === undefined ? undefined : library().get<T>(file).value;
  return loaded?.state === "ready" ? loaded.value : undefined;
};

const scoresOf = ({ model, estimator }: Source, site: string, task: string): Scores | undefined =>
  ready<Scores>(model, scoresName(site, task, estimator));

/** One scale for both: the larger of their own. */
function sharedEnd(a: Source, b: Source, colour: Colour, site: string): number | undefined {
  const values = (from: Source): Float32Array | undefined => {
    if (colour.by === "task") {
      const scores = scoresOf(from, site, colour.task);
      return scores?.scores?.values ?? scores?.bins?.max.values;
    }
    if (colour.by === "localizer") return ready<Localizer>(from.model, `localizer.${colour.localizer}`)?.t.values;
    if (colour.by === "network") return ready<Networks>(from.model, `networks.${colour.dataset}`)?.maps.values;
    return undefined;
  };
  const both = [values(a), values(b)].filter((one) => one !== undefined);
  return both.length === 2 ? endOf(...both) : undefined;
}

export function Compare() {
  const study = manifest.value!;
  const own = source.value!;
  const part = component.value;
  const other = otherSource.value;
  const models = study.models.filter((one) => one.name !== own.model.name);
  const estimators = estimatorsOf(part).filter((one) => one !== (own.estimator ?? part?.estimator));
  if (!models.length && !estimators.length) return null;
  const alone = other && [own.model, other.model].find((one) => one.matrices_only);
  return (
    <section class="compare card wide" id="compare" aria-labelledby="compare-title">
      <div class="line">
        <h2 id="compare-title">Compare</h2>
        <label class="field inline">
          <span>{own.estimator ? `${modelLabel(own.model)}, ${own.estimator},` : modelLabel(own.model)} with</span>
          <select value={other ? otherText(state.compare.value!) : ""} onChange={(event) => selectCompare(otherOf(event.currentTarget.value, study))}>
            <option value="">nothing</option>
            {models.length > 0 && (
              <optgroup label="Models">
                {models.map((one) => (
                  <option key={one.name} value={otherText({ model: one.name })}>
                    {modelLabel(one)}
                  </option>
                ))}
              </optgroup>
            )}
            {estimators.length > 0 && (
              <optgroup label="Estimators of this model">
                {estimators.map((one) => (
                  <option key={one} value={otherText({ estimator: one })}>
                    {one === part?.estimator ? `${one} (the study's own)` : one}
                  </option>
                ))}
              </optgroup>
            )}
          </select>
        </label>
        {other && !alone && (
          <label class="field inline">
            <input type="checkbox" checked={onOneScale(own, other)} onChange={(event) => (oneScale.value = event.currentTarget.checked)} />
            <span>both on one scale</span>
          </label>
        )}
        {other && (
          <button type="button" class="close" aria-label="Close the comparison" onClick={() => selectCompare(undefined)}>
            ×
          </button>
        )}
      </div>
      <Series study={study} own={own.model} />
      {other && alone ? (
        <p class="absent">{modelLabel(alone)} has matrices and no map: these stand beside each other below.</p>
      ) : other ? (
        <Pair own={own} other={other} />
      ) : (
        <p class="absent">
          Choose {models.length ? "another model, or the untrained control," : ""}
          {models.length && estimators.length ? " or " : ""}
          {estimators.length ? "another estimator" : ""} to see {own.model.matrices_only ? "its matrices beside these, below" : "both maps on one scale, and their difference"}.
        </p>
      )}
    </section>
  );
}

/** Checkpoints of one training, in order. */
function Series({ study, own }: { study: Manifest; own: Model }) {
  const name = own.series?.name;
  if (name === undefined) return null;
  const steps = study.models.filter((one) => one.series?.name === name).sort((a, b) => a.series!.step - b.series!.step);
  if (steps.length < 2) return null;
  const at = steps.findIndex((one) => one.name === own.name);
  return (
    <label class="field inline">
      <span>
        {own.series!.axis} {own.series!.step}
      </span>
      <input
        type="range"
        min={0}
        max={steps.length - 1}
        step={1}
        value={at}
        aria-valuetext={`${own.series!.axis} ${own.series!.step}`}
        onInput={(event) => selectModel(steps[Number(event.currentTarget.value)]!.name)}
      />
    </label>
  );
}

function Pair({ own, other }: { own: Source; other: Source }) {
  const part = component.value;
  const site = part?.name ?? "neurons";
  const end = useComputed(() => {
    const [a, b] = [source.value, otherSource.value];
    return a && b && onOneScale(a, b) ? sharedEnd(a, b, state.colour.value, component.value?.name ?? "neurons") : undefined;
  });
  const left = useField(() => ({ source: source.value, end: end.value, colour: colourOfBoth() }));
  const right = useField(() => ({ source: otherSource.value, end: end.value, colour: colourOfBoth() }));
  const task = taskOfBoth();
  const models = own.model !== other.model;
  if (!models && task === undefined) return <p class="absent">Colour by a task to see what each estimator gives its units.</p>;
  const [one, two] = [own, other].map((from) => sourceLabel(from, part, models)) as [string, string];
  return (
    <>
      <div class="pair">
        <Side fields={left} control={own.model.control} name={one} />
        <Side fields={right} control={other.model.control} name={two} />
      </div>
      {task !== undefined ? (
        <Difference name={`${one} − ${two}`} task={task} />
      ) : (
        <p class="absent">Colour by a task to see the difference of the two, unit by unit.</p>
      )}
      {task !== undefined && (own.model.control || other.model.control) && (
        <p class="caption">
          Attribution is a part of each model's own difference between right and wrong answers. Where that is small, as in an untrained model, noise is large.
        </p>
      )}
      {models ? <Agreement own={own.model} other={other.model} site={site} /> : task !== undefined && <Highest own={own} other={other} task={task} site={site} />}
    </>
  );
}

/** Both maps have the colour of the first one; where that is their difference, each shows the task. */
function colourOfBoth(): Colour {
  const colour = state.colour.value;
  return colour.by === "difference" ? { by: "task", task: colour.task } : colour;
}

const taskOfBoth = (): string | undefined => {
  const colour = colourOfBoth();
  return colour.by === "task" ? colour.task : undefined;
};

function Take({ fields, name }: { fields: Fields; name: string }) {
  const built = fields.built.value;
  if (built.state !== "ready") return null;
  const { field } = built;
  return (
    <span class="take" role="group" aria-label={`Take ${name} away`}>
      <button type="button" aria-label={`Take ${name} away as SVG`} onClick={() => takeSvg(name, field, name)}>SVG</button>
      <button type="button" aria-label={`Take ${name} away as PNG`} onClick={() => void takePng(name, field, name)}>PNG</button>
      <button type="button" aria-label={`Take ${name} away as CSV`} onClick={() => takeTable(name, field)}>CSV</button>
    </span>
  );
}

function Side({ fields, control, name }: { fields: Fields; control: boolean; name: string }) {
  const built = fields.built.value;
  return (
    <figure class={control ? "is-control" : undefined}>
      <figcaption class="line">
        <b>{name}</b>
        <Take fields={fields} name={`${name} ${built.state === "ready" ? built.field.title : ""}`} />
      </figcaption>
      <Canvas fields={fields} name={name} height={HEIGHT} />
      {built.state === "ready" && <Legend field={built.field} />}
    </figure>
  );
}

function Difference({ name, task }: { name: string; task: string }) {
  const fields = useField(() => ({ colour: { by: "difference", task: taskOfBoth() ?? task } }));
  const built = fields.built.value;
  return (
    <figure>
      <figcaption class="line">
        <b>{name}</b>
        <Take fields={fields} name={`${name}, ${taskLabel(task)}`} />
      </figcaption>
      <Canvas fields={fields} name={name} height={HEIGHT} />
      {built.state === "ready" && <Legend field={built.field} />}
      {built.state === "ready" && <p class="caption">{built.field.caption}</p>}
    </figure>
  );
}

/** Whether two estimators find the same units: as many of each as a circuit has. */
function Highest({ own, other, task, site }: { own: Source; other: Source; task: string; site: string }) {
  const [a, b] = [own, other].map((from) => scoresOf(from, site, task)?.scores);
  const n = ready<Masks>(own.model, `${site}.masks`)?.[own.model.main_sel]?.[task]?.units.values.length ?? 0;
  const found = useMemo(() => (a && b && n ? bothHighest(a, b, n, widthsOf(own.model, site)) : undefined), [a, b, n, own.model, site]);
  if (!found) return null;
  const { shared, chance } = found;
  return (
    <p class="caption">
      Of the {count(n)} units with the highest score by one, as many as the task's circuit has, {count(shared)} are among the {count(n)} of the other; by chance, with as many in each layer, {number(chance)}.
    </p>
  );
}

/** How many units the circuits of the two have in common, task by task. */
function Agreement({ own, other, site }: { own: Model; other: Model; site: string }) {
  const [a, b] = [own, other].map((one) => ready<Masks>(one, `${site}.masks`)?.[one.main_sel] ?? {}) as [Masks[string], Masks[string]];
  const rows = Object.keys(a)
    .filter((task) => Object.hasOwn(b, task))
    .map((task) => {
      const mine = new Set(a[task]!.units.values);
      return { shared: b[task]!.units.values.filter((unit) => mine.has(unit)).length, of: mine.size };
    });
  if (!rows.length || own.layers !== other.layers || widthOf(own, site) !== widthOf(other, site)) return null;
  const shared = rows.reduce((sum, row) => sum + row.shared, 0);
  const all = rows.reduce((sum, row) => sum + row.of, 0);
  const chance = rows[0]!.of / unitsOf(own, site);
  return (
    <p class="caption">
      Circuits of the same task share {percent(shared / all)} of their units between the two models ({rows.length} tasks that both do); by chance {percent(chance)}, that is {number(chance * rows[0]!.of)} of {rows[0]!.of} units.
    </p>
  );
}
