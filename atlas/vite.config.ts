/**
 * `make atlas-dev` serves the sources with the data of a study: ATLAS=results/atlas.
 * The bundle is made by scripts/build.mjs, the tests by vitest.
 */
import { createReadStream, existsSync } from "node:fs";
import { resolve } from "node:path";
import { defineConfig } from "vite";

const study = process.env.ATLAS ?? "../results/atlas";

export default defineConfig({
  root: import.meta.dirname,
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  plugins: [
    {
      name: "atlas-data",
      transformIndexHtml: {
        // The dev server's own client talks over a socket, which the page's policy forbids.
        order: "pre",
        handler: (html, context) =>
          context.server ? html.replace(/<meta\s+http-equiv="Content-Security-Policy"[^>]*>/, "") : html,
      },
      configureServer(server) {
        server.middlewares.use("/data", (request, response, next) => {
          const folder = resolve(study, "data");
          const path = resolve(folder, decodeURIComponent((request.url ?? "").split("?")[0]!.slice(1)));
          if (!path.startsWith(folder) || !existsSync(path)) return next();
          response.setHeader("Content-Type", "text/javascript; charset=utf-8");
          createReadStream(path).pipe(response);
        });
      },
    },
  ],
});
