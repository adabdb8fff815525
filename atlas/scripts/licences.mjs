/** The licences of the libraries that a bundle contains, found by the modules that went into it. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const WHOSE = /node_modules\/((?:@[^/]+\/)?[^/]+)\//;

export function licences(root, modules) {
  const names = [...new Set(modules.map((path) => WHOSE.exec(path)?.[1]).filter(Boolean))].sort();
  const parts = names.map((name) => {
    const folder = join(root, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
    if (!license || !file || !existsSync(join(folder, file))) throw new Error(`${name} has no licence file`);
    return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
  });
  const head = "The atlas contains the following libraries.\n";
  return [head, ...parts].join(`\n${"-".repeat(80)}\n\n`);
}
