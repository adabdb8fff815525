/** Names of things as the study gives them. */
import type { Manifest, Model, Task } from "./contract";
import { manifest } from "./data";

export const taskOf = (name: string): Task | undefined => manifest.value?.tasks.find((task) => task.name === name);
export const taskLabel = (name: string): string => taskOf(name)?.label ?? name;
export const domainIndex = (name: string): number => manifest.value?.domains.findIndex((domain) => domain.name === name) ?? -1;
export const domainColour = (name: string): string => manifest.value?.domains[domainIndex(name)]?.colour ?? "#7F8C8D";
export const domainLabel = (name: string): string => manifest.value?.domains[domainIndex(name)]?.label ?? name;
export const modelOf = (name: string, study: Manifest | undefined = manifest.value): Model | undefined =>
  study?.models.find((one) => one.name === name);
export const modelLabel = (model: Model): string => (model.control ? `${model.label} (control)` : model.label);

/** What a site's units are called where the study has no name for them. */
export function siteLabel(model: Model, site: string): string {
  const own = model.components.find((one) => one.name === site || one.site === site);
  return own?.label ?? `dimensions of the ${site.replaceAll("_", " ")}`;
}
