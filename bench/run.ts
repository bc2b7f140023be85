/**
 * `npm run bench -- NAME [--json]`: one benchmark. docs/performance.md says what each measures and how to read it.
 *
 * A benchmark is a module that runs when it is loaded and prints its report last.
 */
import { argv, stderr } from "node:process";

const BENCHMARKS: Readonly<Record<string, () => Promise<unknown>>> = {
  decode: () => import("./decode.ts"),
  trust: () => import("./trust/trust.ts"),
  "secure-objects": () => import("./secure-objects/secure-objects.ts"),
  merge: () => import("./merge.ts"),
  replay: () => import("./replay/replay.ts"),
  pipeline: () => import("./pipeline/pipeline.ts"),
  latency: () => import("./latency/latency.ts"),
  fleet: () => import("./fleet/fleet.ts"),
};

const name = argv[2] ?? "";
const load = BENCHMARKS[name];
if (load === undefined) {
  stderr.write(
    `Usage: npm run bench -- NAME [--json], NAME being one of ${Object.keys(BENCHMARKS).join(", ")}.\n`,
  );
  process.exitCode = 2;
} else {
  await load();
}
