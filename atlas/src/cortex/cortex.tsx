/** The cortex with its tools, its legend and its readout. */
import { model, selectLasso, state } from "../state";
import { Canvas, drawing, pointed, sayCell } from "./canvas";
import { placeOf, type Field } from "./field";
import { Legend } from "./legend";
import { takePng, takeSvg, takeTable } from "./take";
import { useField } from "./use-field";

export function Cortex() {
  const fields = useField(() => ({}));
  const built = fields.built.value;
  const field = built.state === "ready" ? built.field : undefined;
  const own = model.value!;
  const title = `${own.label}${own.control ? " (control)" : ""}${field ? ` · ${field.title}` : ""}`;
  const name = `${own.name}.${field?.site ?? ""}.${field?.title ?? "cortex"}`;
  return (
    <section class="cortex" aria-labelledby="cortex-title">
      <div class="line">
        <h2 id="cortex-title">
          {field?.title ?? "Cortex"}
          {own.control && <span class="badge">control</span>}
        </h2>
        {!own.matrices_only && (
          <div class="tools" role="toolbar" aria-label="Map">
            <button type="button" aria-pressed={drawing.value} title="Draw around units (or hold Shift and drag)" onClick={() => (drawing.value = !drawing.value)}>
              Lasso
            </button>
            {state.lasso.value && (
              <button type="button" onClick={() => selectLasso(undefined)}>
                Drop lasso
              </button>
            )}
            <button type="button" title="Show all (0)" disabled={!state.window.value} onClick={() => (state.window.value = undefined)}>
              Whole map
            </button>
            {field && (
              <span class="take" role="group" aria-label="Take the map away">
                <button type="button" aria-label="Take the map away as SVG" onClick={() => takeSvg(name, field, title)}>SVG</button>
                <button type="button" aria-label="Take the map away as PNG" onClick={() => void takePng(name, field, title)}>PNG</button>
                <button type="button" aria-label="Take the cells in view away as CSV" onClick={() => takeTable(name, field)}>CSV</button>
              </span>
            )}
          </div>
        )}
      </div>
      <Canvas fields={fields} name={title} />
      {!own.matrices_only && <Readout field={field} />}
      {field && <Legend field={field} />}
      {field && <p class="caption">{`${field.caption} Layer 0 is next to the input.`}</p>}
    </section>
  );
}

const HOW =
  "Point at a unit to read it; click it to open its page. Click the map, then scroll to zoom; drag to move; Shift and drag (or Lasso) to draw a lasso.";

function Readout({ field }: { field: Field | undefined }) {
  const at = pointed.value;
  const unit = state.unit.value;
  const fits = (one: { site: string; layer: number } | undefined): boolean => one !== undefined && one.site === field?.site && one.layer < field.layers;
  let text = HOW;
  if (field && at && fits(at) && at.place < field.units) text = sayCell(field, at.layer, at.place);
  else if (field && unit && fits(unit) && unit.unit < field.units) text = sayCell(field, unit.layer, placeOf(field, unit.layer, unit.unit));
  // Spoken when the keyboard moves the cursor, not at every movement of a mouse.
  return (
    <p id="readout" class={text === HOW ? "readout soft" : "readout"} aria-live={at ? "off" : "polite"}>
      {text}
    </p>
  );
}
