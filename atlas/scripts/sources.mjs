/** The files that a bundle is made of, and one hash of them all: tests compare it with the bundle's own. */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";

const SINGLE = ["index.html", "package.json", "package-lock.json", "tsconfig.json"];
const FOLDERS = ["src", "scripts"];

/** Paths relative to `root`, with slashes, in order of their code units. */
export function sourceFiles(root) {
  const inside = FOLDERS.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join("/")),
  );
  return [...SINGLE, ...inside].sort();
}

/** SHA-256 over `path NUL content NUL` of every file. */
export function sourcesHash(root) {
  const hash = createHash("sha256");
  for (const path of sourceFiles(root)) {
    hash.update(path).update("\0").update(readFileSync(join(root, path))).update("\0");
  }
  return hash.digest("hex");
}
