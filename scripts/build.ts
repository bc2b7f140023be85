/**
 * Builds the package into dist/: index.js and testing.js as ES modules, client.worker.js with everything in it, the
 * declarations, and a check of the sizes against scripts/size-budget.json.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { InlineConfig, Plugin } from "vite";
import { build } from "vite";
import { run } from "./commands.ts";

const ROOT = resolve(fileURLToPath(import.meta.url), "..", "..");
const DIST = join(ROOT, "dist");

/** How the source names the worker, and how an app's bundler must find it in dist/index.js, character by character. */
const WORKER_IN_SOURCE = /new URL\(\s*"[./]*\/workers\/client\.worker\.ts"\s*,\s*import\.meta\.url\s*\)/g;
const WORKER_IN_DIST = 'new Worker(new URL("./client.worker.js", import.meta.url), { type: "module" })';
/** Keeps Vite from bundling the worker here; a bare identifier survives minification as it is. */
const PLACEHOLDER = "__COUNTERSIGN_WORKER_URL__";

function leaveWorkerToTheApp(): Plugin {
  return {
    name: "countersign-worker-url",
    enforce: "pre",
    transform(code, id) {
      if (!id.includes("/src/") || !code.includes("client.worker.ts")) return null;
      return { code: code.replace(WORKER_IN_SOURCE, PLACEHOLDER), map: null };
    },
    generateBundle(_options, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== "chunk" || !chunk.code.includes(PLACEHOLDER)) continue;
        const constructed = new RegExp(
          `new Worker\\(\\s*${PLACEHOLDER}\\s*,\\s*\\{\\s*type:\\s*["'\`]module["'\`]\\s*\\}\\s*\\)`,
          "g",
        );
        chunk.code = chunk.code.replace(constructed, WORKER_IN_DIST);
      }
    },
  };
}

interface Output {
  readonly entry: string;
  readonly file: string;
  readonly external: readonly (string | RegExp)[];
}

const OUTPUTS: readonly Output[] = [
  // One hls.js for the app and us.
  { entry: "src/index.ts", file: "index.js", external: ["hls.js"] },
  // A worker has no import map and no bundler of its own: it must be whole.
  { entry: "workers/client.worker.ts", file: "client.worker.js", external: [] },
  { entry: "src/testing/index.ts", file: "testing.js", external: [/^node:/] },
];

function configuration({ entry, file, external }: Output): InlineConfig {
  return {
    root: ROOT,
    configFile: false,
    publicDir: false,
    logLevel: "warn",
    plugins: [leaveWorkerToTheApp()],
    build: {
      outDir: DIST,
      emptyOutDir: false,
      target: "es2022",
      minify: true,
      sourcemap: true,
      lib: { entry: join(ROOT, entry), formats: ["es"], fileName: () => file },
      // `minify` above spares whitespace in ES libraries, for the app's bundler to see annotations; it sees the worker never.
      rolldownOptions: { external: [...external], output: { codeSplitting: false, minify: true } },
    },
  };
}

interface Budget {
  readonly files: readonly string[];
  /** More than this fails the build. */
  readonly gzipBytes: number;
  /** Where it is to get to. */
  readonly goalBytes: number;
}

/** Prints every size and gives the ones that are over their limit. */
function overBudget(): string[] {
  const budgets = JSON.parse(readFileSync(join(ROOT, "scripts", "size-budget.json"), "utf8")) as Record<
    string,
    Budget
  >;
  const over: string[] = [];
  for (const [name, budget] of Object.entries(budgets)) {
    if (typeof budget !== "object") continue;
    const bytes = budget.files.reduce(
      (sum, file) => sum + gzipSync(readFileSync(join(DIST, file)), { level: 9 }).length,
      0,
    );
    const line = `${name}: ${bytes} bytes gzip, at most ${budget.gzipBytes}, goal ${budget.goalBytes}`;
    process.stdout.write(`${line}\n`);
    if (bytes > budget.gzipBytes) over.push(line);
  }
  return over;
}

/** tsc leaves the sources' `.ts` in the declarations' imports, which some settings of an app refuse. */
function nameDeclarationsByOutput(): void {
  const types = join(DIST, "types");
  for (const name of readdirSync(types, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".d.ts")) continue;
    const path = join(types, name);
    const text = readFileSync(path, "utf8");
    writeFileSync(path, text.replace(/((?:from|import)\s*\(?\s*"\.{1,2}\/[^"]+)\.ts"/g, '$1.js"'));
  }
}

async function main(): Promise<void> {
  rmSync(DIST, { recursive: true, force: true });
  for (const output of OUTPUTS) await build(configuration(output));
  await run(
    process.execPath,
    [join(ROOT, "node_modules", "typescript", "bin", "tsc"), "-p", join(ROOT, "tsconfig.build.json")],
    {
      visible: true,
    },
  );
  nameDeclarationsByOutput();
  const index = readFileSync(join(DIST, "index.js"), "utf8");
  if (index.split(WORKER_IN_DIST).length !== 2 || index.includes(PLACEHOLDER)) {
    throw new Error(`dist/index.js must hold this exactly once, for the bundlers of apps: ${WORKER_IN_DIST}`);
  }
  if (!existsSync(join(DIST, "types", "index.d.ts"))) throw new Error("dist/types/index.d.ts was not made.");
  const over = overBudget();
  if (over.length > 0) throw new Error(`Over the size budget (scripts/size-budget.json): ${over.join("; ")}`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
