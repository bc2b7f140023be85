// The demo page. The package is built by scripts/build.ts.
import { defineConfig } from "vite";
import { BUNDLED_DEPENDENCIES } from "./scripts/bundled-dependencies.ts";

export default defineConfig({
  worker: { format: "es" },
  optimizeDeps: { include: [...BUNDLED_DEPENDENCIES] },
});
