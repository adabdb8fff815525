/** The field of what is chosen now, and the files that it holds. */
import { useComputed, useSignal, type ReadonlySignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { library, manifest } from "../data";
import { otherSource, source, state, type Colour, type Source } from "../state";
import { dark } from "../theme";
import { build, type Built } from "./build";

export interface Target {
  /** Absent: what the header says. */
  source?: Source;
  colour?: Colour;
  end?: number;
}

export interface Fields {
  built: ReadonlySignal<Built & { files: string[] }>;
  /** Set by the canvas once a unit is as wide as a few pixels. */
  near: ReadonlySignal<boolean> & { value: boolean };
}

export function useField(target: () => Target): Fields {
  const near = useSignal(false);
  const built = useComputed(() => {
    const files: string[] = [];
    const wanted = target();
    const from = wanted.source ?? source.value;
    const study = manifest.value;
    if (!from || !study) return { state: "missing" as const, why: "There is no such model.", files };
    const own = from.model;
    const found = build(
      {
        study,
        ...from,
        component: own.components.find((one) => one.name === state.component.value) ?? own.components[0],
        colour: wanted.colour ?? state.colour.value,
        order: state.order.value,
        sel: own.sels.includes(state.sel.value) ? state.sel.value : own.main_sel,
        tasks: state.tasks.value,
        domain: state.domain.value,
        other: otherSource.value,
        dark: dark.value,
        near: near.value,
        end: wanted.end,
      },
      (file) => {
        files.push(file);
        return library().get(file).value as never;
      },
    );
    return { ...found, files };
  });
  const held = built.value.files.join("\n");
  useEffect(() => {
    const drops = [...new Set(held.split("\n").filter(Boolean))].map((file) => library().hold(file));
    return () => drops.forEach((drop) => drop());
  }, [held]);
  return { built, near };
}
