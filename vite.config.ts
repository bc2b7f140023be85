// The demo page. The package is built by scripts/build.ts.
import { defineConfig } from "vite";
import { BUNDLED_DEPENDENCIES } from "./scripts/bundled-dependencies.ts";

export default defineConfig({
  worker: { format: "es" },
  optimizeDeps: { include: [...BUNDLED_DEPENDENCIES] },
  // What the first visitor would otherwise wait for: some 180 modules, transformed one import after the other.
  server: { warmup: { clientFiles: ["demo/main.ts", "workers/client.worker.ts"] } },
});
