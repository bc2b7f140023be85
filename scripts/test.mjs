// `npm test` and `npm run check`: everything that must hold, in the order in which a mistake is cheapest to learn.
// Plain Node, because a fresh clone has no dependencies yet.
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ensureInstalled, ROOT, runCommand } from "./install.mjs";

const RESULTS = join(".cache", "results");
const bin = (name) => join(ROOT, "node_modules", ".bin", process.platform === "win32" ? `${name}.cmd` : name);
const node = (...args) => [process.execPath, args];
const tool = (name, ...args) => [bin(name), args];
const vitest = (name, ...projects) =>
  tool(
    "vitest",
    "run",
    ...projects.map((project) => `--project=${project}`),
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${join(RESULTS, `${name}.json`)}`,
  );

/** `needs`: the steps without which this one can only fail for their reason. */
const STEPS = [
  { name: "format", run: tool("biome", "check", "--linter-enabled=false", ".") },
  { name: "lint", run: tool("biome", "lint", "--error-on-warnings", ".") },
  { name: "imports", run: node("--import", "tsx", "scripts/check-imports.ts") },
  { name: "types", run: tool("tsc", "-p", "tsconfig.json") },
  { name: "types of the pure rooms", run: tool("tsc", "-p", "tsconfig.pure.json") },
  { name: "runtime of the peers", run: node("--import", "tsx", "scripts/node-runtime.ts") },
  { name: "unit", run: vitest("unit", "unit"), results: "unit.json" },
  { name: "build", run: node("--import", "tsx", "scripts/build.ts") },
  { name: "browsers", run: node("--import", "tsx", "scripts/browsers.ts"), browser: true },
  {
    name: "browser",
    run: vitest("browser", "browser*"),
    results: "browser.json",
    browser: true,
    needs: ["browsers"],
  },
  {
    name: "e2e",
    run: tool("playwright", "test"),
    results: "playwright.json",
    browser: true,
    needs: ["browsers", "runtime of the peers"],
  },
];

/** Passed and failed tests of a JSON report of Vitest or Playwright; a step that left none counts as one failure. */
function count(file) {
  let report;
  try {
    report = JSON.parse(readFileSync(join(ROOT, RESULTS, file), "utf8"));
  } catch {
    return { passed: 0, failed: 1 };
  }
  if (report.stats !== undefined) {
    // Playwright: "flaky" passed only when repeated, and we do not repeat.
    const { expected, unexpected, flaky } = report.stats;
    return { passed: expected, failed: unexpected + flaky + report.errors.length };
  }
  // A file that does not load has no failed test, but is a failed suite.
  const unloaded = report.testResults.filter(
    (file) => file.status === "failed" && file.assertionResults.length === 0,
  );
  return { passed: report.numPassedTests, failed: report.numFailedTests + unloaded.length };
}

const staticOnly = process.argv.includes("--no-browser");
const failures = [];
let passed = 0;
let failed = 0;
let interrupted = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    interrupted = true;
  });
}

try {
  await ensureInstalled();
  rmSync(join(ROOT, RESULTS), { recursive: true, force: true });
  mkdirSync(join(ROOT, RESULTS), { recursive: true });
  for (const step of STEPS) {
    if (interrupted) break;
    if (staticOnly && step.browser) continue;
    const missing = step.needs?.filter((name) => failures.includes(name)) ?? [];
    const started = Date.now();
    console.log(`\n── ${step.name}`);
    if (missing.length > 0) console.log(`not run: needs ${missing.join(", ")}`);
    const [command, args] = step.run;
    const options = { shell: process.platform === "win32" && command.endsWith(".cmd") };
    const ok = missing.length === 0 && (await runCommand(command, args, options)).status === 0;
    const tests = step.results === undefined ? { passed: 0, failed: 0 } : count(step.results);
    passed += tests.passed;
    // A step can fail without a failed test (a type error, a browser that does not start): it counts as one.
    failed += ok ? 0 : Math.max(tests.failed, 1);
    if (!ok) failures.push(step.name);
    console.log(`── ${step.name}: ${ok ? "ok" : "FAILED"} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
  }
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  failed += 1;
}
if (interrupted) console.log("\nInterrupted.");
if (failures.length > 0) console.log(`\nFailed: ${failures.join(", ")}`);
process.exitCode = failed > 0 || interrupted ? 1 : 0;
console.log(`${passed} passed, ${failed} failed`);
