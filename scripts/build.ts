/**
 * Builds the package into dist/: index.js and testing.js as ES modules, client.worker.js with everything in it, the
 * declarations, the licences of what is bundled, and a check of the sizes against scripts/size-budget.json.
 *
 * `--report` prints what the bundles are made of; `--if-stale` does nothing when nothing changed since the last build.
 */
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { InlineConfig, Plugin } from "vite";
import { build } from "vite";
import type { SourceMap } from "./bundle-report.ts";
import { partOf, sharesOf } from "./bundle-report.ts";
import { run } from "./commands.ts";

const ROOT = resolve(fileURLToPath(import.meta.url), "..", "..");
const DIST = join(ROOT, "dist");
/** Written last: its time is that of a build that ended well. */
const LICENCES = "third-party-licenses.txt";

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
  /** What is imported when it is needed becomes files of its own, named by its modules; else it is bundled. */
  readonly lazy?: boolean;
  readonly external: readonly (string | RegExp)[];
}

const OUTPUTS: readonly Output[] = [
  // One hls.js for the app and us.
  { entry: "src/index.ts", file: "index.js", lazy: true, external: ["hls.js"] },
  // A worker has no import map and no bundler of its own: it must be whole.
  { entry: "workers/client.worker.ts", file: "client.worker.js", external: [] },
  { entry: "src/testing/index.ts", file: "testing.js", external: [/^node:/] },
  // The command-line tool, whole: whoever checks evidence installs nothing else.
  { entry: "src/trust/cli/main.ts", file: "cli.js", external: [/^node:/] },
];

function configuration({ entry, file, lazy, external }: Output): InlineConfig {
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
      rolldownOptions: {
        external: [...external],
        output: lazy ? { chunkFileNames: "[name].js", minify: true } : { codeSplitting: false, minify: true },
      },
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

function readBundle(file: string): { code: string; map: SourceMap } {
  const code = readFileSync(join(DIST, file), "utf8");
  return { code, map: JSON.parse(readFileSync(join(DIST, `${file}.map`), "utf8")) as SourceMap };
}

function report(): void {
  for (const { file } of OUTPUTS) {
    const { code, map } = readBundle(file);
    process.stdout.write(`\n${file}: bytes minified, and gzip of each part alone\n`);
    for (const { part, bytes, gzipBytes } of sharesOf(code, map)) {
      process.stdout.write(`${String(bytes).padStart(9)} ${String(gzipBytes).padStart(7)}  ${part}\n`);
    }
  }
}

/** Whose code is in the bundles, each with its licence: they ask to be passed on with it. */
function writeLicences(): void {
  const parts = OUTPUTS.flatMap(({ file }) =>
    readBundle(file).map.sources.map((source) => partOf(source ?? "")),
  );
  const packages = [...new Set(parts)].filter((part) => part.startsWith("npm ")).map((part) => part.slice(4));
  const texts = packages.sort().map((name) => {
    const folder = join(ROOT, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
      readonly version: string;
      readonly license: string;
    };
    const text = readFileSync(join(folder, "LICENSE"), "utf8").trim();
    return `${name} ${version} (${license})\n\n${text}\n`;
  });
  const heading = "The bundles in this folder contain code of these packages.\n";
  writeFileSync(join(DIST, LICENCES), [heading, ...texts].join(`\n${"-".repeat(80)}\n\n`));
}

/** What the build is made from. A folder's own time tells of files that went. */
const SOURCES = ["src", "workers", "scripts", "package.json", "tsconfig.json", "tsconfig.build.json"];

/** Nothing that the build is made from changed since the last one ended well. */
function isFresh(): boolean {
  const done = join(DIST, LICENCES);
  if (!existsSync(done)) return false;
  const builtMs = statSync(done).mtimeMs;
  return SOURCES.every((source) => {
    const path = join(ROOT, source);
    const inside = statSync(path).isDirectory()
      ? readdirSync(path, { recursive: true, encoding: "utf8" })
      : [];
    return [path, ...inside.map((name) => join(path, name))].every(
      (name) => statSync(name).mtimeMs <= builtMs,
    );
  });
}

async function main(): Promise<void> {
  if (process.argv.includes("--if-stale") && isFresh()) {
    process.stdout.write("dist/ is newer than all it is made from.\n");
    return;
  }
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
  if (process.argv.includes("--report")) report();
  const over = overBudget();
  if (over.length > 0) throw new Error(`Over the size budget (scripts/size-budget.json): ${over.join("; ")}`);
  writeLicences();
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
