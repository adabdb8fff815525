/**
 * Makes the bundle: ONE page with its script and its style inside, since a page opened from a disk may load
 * neither modules nor anything by fetch.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { licences } from "./licences.mjs";
import { sourcesHash } from "./sources.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const target = resolve(root, "../src/brodmann/atlas/bundle");

const result = await build({
  root,
  configFile: false,
  logLevel: "warn",
  esbuild: { jsx: "automatic", jsxImportSource: "preact", legalComments: "none" },
  build: {
    write: false,
    target: "es2022",
    cssCodeSplit: false,
    modulePreload: false,
    rollupOptions: {
      input: join(root, "src/main.tsx"),
      output: { format: "iife", inlineDynamicImports: true },
    },
  },
});
const [{ output }] = Array.isArray(result) ? result : [result];
const script = output.find((file) => file.type === "chunk").code;
const style = output.find((file) => file.fileName.endsWith(".css"))?.source ?? "";
const modules = output.filter((file) => file.type === "chunk").flatMap((file) => Object.keys(file.modules));

let page = readFileSync(join(root, "index.html"), "utf8");
/** A string would have its `$&` replaced: only functions put text in as it is. */
const put = (pattern, text) => {
  if (!page.includes(pattern)) throw new Error(`index.html lacks ${pattern}`);
  page = page.replace(pattern, () => text);
};
put('<meta name="atlas-sources" content="development" />', `<meta name="atlas-sources" content="${sourcesHash(root)}" />`);
put("  </head>", `  <style>${String(style).trim()}</style>\n  </head>`);
// What would end the script or open a comment in it is written as an escape, which means the same in a string.
const inside = script.trim().replaceAll("</script", "<\\/script").replaceAll("<!--", "<\\!--");
put('<script type="module" src="/src/main.tsx"></script>', `<script>${inside}</script>`);

mkdirSync(target, { recursive: true });
writeFileSync(join(target, "index.html"), page);
writeFileSync(join(target, "LICENCES.txt"), licences(root, modules));
console.log(`${target}/index.html: ${(page.length / 1024).toFixed(0)} KiB`);
