// `npm start` on a fresh clone: install, then run the demo in this process, so that Ctrl-C has one place to arrive.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureInstalled, ROOT } from "./install.mjs";

try {
  await ensureInstalled();
  const { register } = await import("tsx/esm/api");
  register();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
await import(pathToFileURL(join(ROOT, "demo", "peers", "start.ts")).href);
