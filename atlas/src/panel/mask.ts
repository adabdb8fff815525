/** A selection as a mask file, and the command that lesions it. */
import type { Model } from "../contract";
import { csv, fileName } from "../export";

/** The columns that brodmann's masks have (docs/results.md); `score` is that of the task that colours the map. */
export function maskCsv(model: Model, site: string, width: number, units: number[], scoreOf?: (flat: number) => number | undefined): string {
  const read = model.components.find((one) => one.name === site)?.site ?? site;
  const columns = ["layer", "unit", "score", "model", "weights", "site", "selection"];
  const rows = units.map((flat) => [Math.floor(flat / width), flat % width, scoreOf?.(flat) ?? 0, model.name, model.weights ?? "", read, "atlas"]);
  return csv(columns, rows);
}

/** In quotes where a shell would see more in it than a word. */
const quoted = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);

export const maskName = (model: Model, units: number): string => fileName(`${model.name}.selection-of-${units}`);

export const command = (model: Model, file: string): string =>
  `brodmann generate --model ${quoted(model.name)} --mask ${quoted(`${file}.csv`)} --prompt "The cat sat on"`;
