/** What is looked at and how: study, model, kind of unit, colour, order, circuit size, search. */
import type { ComponentChildren } from "preact";
import type { Manifest, Model } from "../contract";
import { sourceLabel } from "../cortex/build";
import { manifest } from "../data";
import { selName } from "../format";
import { modelLabel, taskLabel } from "../names";
import { Search } from "../search/search";
import {
  colourText, component, estimatorsOf, includedTasks, link, model, otherSource, selectColour, selectComponent, selectEstimator, selectModel, selectOrder,
  selectSel, state, type Colour,
} from "../state";
import { theme, type Theme } from "../theme";
import { help } from "./help";
import { useSignal } from "@preact/signals";

interface FieldProps {
  label: string;
  children: ComponentChildren;
}

const Labelled = ({ label, children }: FieldProps) => (
  <label class="field">
    <span>{label}</span>
    {children}
  </label>
);

function choices(study: Manifest, own: Model): { label: string; options: { label: string; colour: Colour }[] }[] {
  const tasks = new Set(includedTasks.value);
  const groups: { label: string; options: { label: string; colour: Colour }[] }[] = [
    { label: "Domains", options: [{ label: "Domains", colour: { by: "domain" } }] },
  ];
  if (state.tasks.value.length > 1 || state.colour.value.by === "tasks") {
    groups[0]!.options.push({ label: `Mixing: ${state.tasks.value.map(taskLabel).join(" and ") || "chosen tasks"}`, colour: { by: "tasks" } });
  }
  for (const domain of study.domains) {
    const options = study.tasks
      .filter((task) => task.domain === domain.name && tasks.has(task.name))
      .map((task) => ({ label: task.label, colour: { by: "task", task: task.name } as Colour }));
    if (options.length) groups.push({ label: `Task: ${domain.label}`, options });
  }
  if (own.localizers.length) {
    groups.push({ label: "Localizer (t)", options: own.localizers.map((one) => ({ label: one.label, colour: { by: "localizer", localizer: one.name } })) });
  }
  for (const set of own.networks) {
    groups.push({
      label: `Networks of ${set.dataset} (z)`,
      options: set.networks.map((one, network) => ({
        label: one.label === one.name ? one.name : `${one.name}: ${one.label}`,
        colour: { by: "network", dataset: set.dataset, network },
      })),
    });
  }
  if (Object.hasOwn(own.files, "silenced")) {
    groups.push({ label: "Measured", options: [{ label: "Effect of single units", colour: { by: "silencing" } }] });
  }
  // Of whatever is chosen under Compare.
  const colour = state.colour.value;
  const task = "task" in colour ? colour.task : state.tasks.value[0];
  if (task !== undefined && (study.models.length > 1 || estimatorsOf(component.value).length)) {
    const other = otherSource.value && sourceLabel(otherSource.value, component.value, otherSource.value.model !== own);
    groups.push({ label: "Compare", options: [{ label: `${taskLabel(task)}: difference${other === undefined ? "" : ` to ${other}`}`, colour: { by: "difference", task } }] });
  }
  return groups;
}

export function Header() {
  const study = manifest.value!;
  const own = model.value!;
  const groups = choices(study, own);
  const byValue = new Map(groups.flatMap((group) => group.options.map(({ colour }) => [colourText(colour), colour] as const)));
  const copied = useSignal(false);
  const copy = (): void => {
    void navigator.clipboard?.writeText(link()).then(() => {
      copied.value = true;
      setTimeout(() => (copied.value = false), 1500);
    }, () => undefined);
  };
  return (
    <header>
      <h1>
        {study.title}
        <small> brodmann {study.made.brodmann}</small>
      </h1>
      <div class="controls">
        <Labelled label="Model">
          <select value={own.name} onChange={(event) => selectModel(event.currentTarget.value)}>
            {study.models.map((one) => (
              <option key={one.name} value={one.name}>
                {modelLabel(one)}
              </option>
            ))}
          </select>
        </Labelled>
        {own.components.length > 1 && (
          <Labelled label="Units">
            <select value={component.value?.name ?? ""} onChange={(event) => selectComponent(event.currentTarget.value)}>
              {own.components.map((one) => (
                <option key={one.name} value={one.name}>
                  {one.label}
                </option>
              ))}
            </select>
          </Labelled>
        )}
        {!own.matrices_only && (
          <Labelled label="Colour by">
            <select
              class="wide"
              value={colourText(state.colour.value)}
              onChange={(event) => {
                const colour = byValue.get(event.currentTarget.value);
                if (colour) selectColour(colour);
              }}
            >
              {groups.map((group) => (
                <optgroup key={group.label} label={group.label}>
                  {group.options.map(({ label, colour }) => (
                    <option key={colourText(colour)} value={colourText(colour)}>
                      {label}
                    </option>
                  ))}
                </optgroup>
              ))}
            </select>
          </Labelled>
        )}
        {estimatorsOf(component.value).length > 0 && (
          <Labelled label="Attribution by">
            <select value={state.estimator.value ?? ""} onChange={(event) => selectEstimator(event.currentTarget.value || undefined)}>
              <option value="">{component.value!.estimator} (the study's own)</option>
              {component.value!.tried!.map((one) => (
                <option key={one} value={one}>
                  {one}
                </option>
              ))}
            </select>
          </Labelled>
        )}
        <Labelled label="Circuits">
          <select value={state.sel.value} onChange={(event) => selectSel(event.currentTarget.value)}>
            {own.sels.map((sel) => (
              <option key={sel} value={sel}>
                {selName(sel)}
              </option>
            ))}
          </select>
        </Labelled>
        {!own.matrices_only && (
          <Labelled label="Order units by">
            <select value={state.order.value} onChange={(event) => selectOrder(event.currentTarget.value === "domain" ? "domain" : "index")}>
              <option value="index">index</option>
              <option value="domain">domain</option>
            </select>
          </Labelled>
        )}
        <Search />
        <div class="buttons">
          <button type="button" onClick={copy} title="Copy a link to what is seen now">
            {copied.value ? "Copied" : "Link"}
          </button>
          <Labelled label="Theme">
            <select value={theme.value} onChange={(event) => (theme.value = event.currentTarget.value as Theme)}>
              <option value="system">system</option>
              <option value="light">light</option>
              <option value="dark">dark</option>
            </select>
          </Labelled>
          <button type="button" aria-label="Help" aria-expanded={help.value} title="Help (?)" onClick={() => (help.value = !help.value)}>
            ?
          </button>
        </div>
      </div>
    </header>
  );
}
