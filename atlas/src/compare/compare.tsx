/** Two models side by side, on one scale, and their difference; a slider where there is a series. */
import { signal, useComputed } from "@preact/signals";
import type { Localizer, Manifest, Masks, Model, Networks, Scores } from "../contract";
import { fileOf, library, manifest } from "../data";
import { Canvas } from "../cortex/canvas";
import { endOf } from "../cortex/field";
import { Legend } from "../cortex/legend";
import { takePng, takeSvg, takeTable } from "../cortex/take";
import { useField, type Fields } from "../cortex/use-field";
import { number, percent } from "../format";
import { modelLabel, modelOf, taskLabel } from "../names";
import { component, model, selectCompare, selectModel, state, type Colour } from "../state";

const HEIGHT = 190;

/** Off: each map's colours end where its own scores do. */
/** Undefined until chosen: an untrained control would fill a common scale by its noise. */
const oneScale = signal<boolean | undefined>(undefined);
const onOneScale = (a: Model, b: Model): boolean => oneScale.value ?? !(a.control || b.control);

/** The other model, if one is chosen and there is one. */
const otherModel = (): Model | undefined => {
  const chosen = state.compare.value;
  return chosen && "model" in chosen ? modelOf(chosen.model) : undefined;
};

/** One scale for both: the larger of their own. */
function sharedEnd(a: Model, b: Model, colour: Colour, site: string): number | undefined {
  const read = <T,>(own: Model, logical: string): T | undefined => {
    const file = fileOf(own, logical);
    const loaded = file === undefined ? undefined : library().get<T>(file).value;
    return loaded?.state === "ready" ? loaded.value : undefined;
  };
  const values = (own: Model): Float32Array | undefined => {
    if (colour.by === "task") {
      const scores = read<Scores>(own, `${site}.scores.${colour.task}`);
      return scores?.scores?.values ?? scores?.bins?.max.values;
    }
    if (colour.by === "localizer") return read<Localizer>(own, `localizer.${colour.localizer}`)?.t.values;
    if (colour.by === "network") return read<Networks>(own, `networks.${colour.dataset}`)?.maps.values;
    return undefined;
  };
  const both = [values(a), values(b)].filter((one) => one !== undefined);
  return both.length === 2 ? endOf(...both) : undefined;
}

export function Compare() {
  const study = manifest.value!;
  const own = model.value!;
  const other = otherModel();
  const others = study.models.filter((one) => one.name !== own.name);
  if (!others.length) return null;
  return (
    <section class="compare card wide" id="compare" aria-labelledby="compare-title">
      <div class="line">
        <h2 id="compare-title">Compare</h2>
        <label class="field inline">
          <span>{modelLabel(own)} with</span>
          <select value={other?.name ?? ""} onChange={(event) => selectCompare(event.currentTarget.value ? { model: event.currentTarget.value } : undefined)}>
            <option value="">nothing</option>
            {others.map((one) => (
              <option key={one.name} value={one.name}>
                {modelLabel(one)}
              </option>
            ))}
          </select>
        </label>
        {other && (
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
      <Series study={study} own={own} />
      {other ? <Pair own={own} other={other} /> : <p class="absent">Choose another model, or the untrained control, to see both maps on one scale, and their difference.</p>}
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

function Pair({ own, other }: { own: Model; other: Model }) {
  const site = component.value?.name ?? "neurons";
  const end = useComputed(() => {
    const [a, b] = [model.value, otherModel()];
    return a && b && onOneScale(a, b) ? sharedEnd(a, b, state.colour.value, component.value?.name ?? "neurons") : undefined;
  });
  const left = useField(() => ({ model: model.value, end: end.value }));
  const right = useField(() => ({ model: otherModel(), end: end.value }));
  const task = state.colour.value.by === "task" ? state.colour.value.task : undefined;
  return (
    <>
      <div class="pair">
        <Side fields={left} own={own} />
        <Side fields={right} own={other} />
      </div>
      {task !== undefined ? (
        <Difference own={own} other={other} task={task} />
      ) : (
        <p class="absent">Colour by a task to see the difference of the two, unit by unit.</p>
      )}
      {task !== undefined && (own.control || other.control) && (
        <p class="caption">
          Attribution is a part of each model's own difference between right and wrong answers. Where that is small, as in an untrained model, noise is large.
        </p>
      )}
      <Agreement own={own} other={other} site={site} />
    </>
  );
}

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

function Side({ fields, own }: { fields: Fields; own: Model }) {
  const built = fields.built.value;
  const name = modelLabel(own);
  return (
    <figure class={own.control ? "is-control" : undefined}>
      <figcaption class="line">
        <b>{name}</b>
        <Take fields={fields} name={`${own.name} ${built.state === "ready" ? built.field.title : ""}`} />
      </figcaption>
      <Canvas fields={fields} name={name} height={HEIGHT} />
      {built.state === "ready" && <Legend field={built.field} />}
    </figure>
  );
}

function Difference({ own, other, task }: { own: Model; other: Model; task: string }) {
  const fields = useField(() => {
    const colour = state.colour.value;
    return { model: model.value, other: otherModel(), colour: { by: "difference", task: colour.by === "task" ? colour.task : task } };
  });
  const built = fields.built.value;
  const name = `${own.name} less ${other.name}, ${taskLabel(task)}`;
  return (
    <figure>
      <figcaption class="line">
        <b>{modelLabel(own)} − {modelLabel(other)}</b>
        <Take fields={fields} name={name} />
      </figcaption>
      <Canvas fields={fields} name={name} height={HEIGHT} />
      {built.state === "ready" && <Legend field={built.field} />}
      {built.state === "ready" && <p class="caption">{built.field.caption}</p>}
    </figure>
  );
}

/** How many units the circuits of the two have in common, task by task. */
function Agreement({ own, other, site }: { own: Model; other: Model; site: string }) {
  const rows = useComputed(() => {
    const read = (one: Model): Masks[string] => {
      const file = fileOf(one, `${site}.masks`);
      const loaded = file === undefined ? undefined : library().get<Masks>(file).value;
      return loaded?.state === "ready" ? (loaded.value[one.main_sel] ?? {}) : {};
    };
    const [a, b] = [read(own), read(other)];
    return Object.keys(a)
      .filter((task) => Object.hasOwn(b, task))
      .map((task) => {
        const mine = new Set(a[task]!.units.values);
        return { task, shared: b[task]!.units.values.filter((unit) => mine.has(unit)).length, of: mine.size };
      });
  });
  const width = (one: Model): number | undefined => one.components.find((part) => part.name === site)?.width;
  if (!rows.value.length || own.layers !== other.layers || width(own) !== width(other)) return null;
  const shared = rows.value.reduce((sum, row) => sum + row.shared, 0);
  const all = rows.value.reduce((sum, row) => sum + row.of, 0);
  const chance = rows.value[0]!.of / (own.layers * width(own)!);
  return (
    <p class="caption">
      Of the units of one model's circuits the other has {percent(shared / all)} in its own of the same task ({rows.value.length} tasks that both do); by chance {percent(chance)}, that is {number(chance * rows.value[0]!.of)} of {rows.value[0]!.of} units.
    </p>
  );
}
