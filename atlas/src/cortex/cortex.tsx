/** The cortex with its tools, its legend and its readout. */
import { useComputed } from "@preact/signals";
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
      </div>
      <Canvas fields={fields} name={title} />
      <Readout field={field} />
      {field && <Legend field={field} />}
      {field && <p class="caption">{field.caption} {field.order ? "" : "Layer 0 is next to the input."}</p>}
    </section>
  );
}

function Readout({ field }: { field: Field | undefined }) {
  const text = useComputed(() => {
    if (!field) return "";
    const at = pointed.value;
    if (at && at.site === field.site && at.place < field.units && at.layer < field.layers) return sayCell(field, at.layer, at.place);
    const unit = state.unit.value;
    if (unit && unit.site === field.site && unit.unit < field.units) return sayCell(field, unit.layer, placeOf(field, unit.layer, unit.unit));
    return "Point at a unit to read it, click to open its page. Click the map, then scroll to zoom; drag to move; Shift and drag to draw a lasso.";
  });
  // Spoken when the keyboard moves the cursor, not at every movement of a mouse.
  return (
    <p id="readout" class="readout" aria-live={pointed.value ? "off" : "polite"}>
      {text}
    </p>
  );
}

