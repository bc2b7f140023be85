/**
 * The import-direction rule (`npm run imports`): every file may import only what scripts/import-rules.ts grants its
 * room. A script rather than lint configuration, because the rule distinguishes type-only imports, allows tests more
 * than sources, and says of each room why.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { ROOMS, SINGLE_OWNER } from "./import-rules.ts";
import { moduleReferences } from "./module-references.ts";

/** The room of a file given by its path from the repository's root, or undefined when the rule does not cover it. */
export function roomOf(path: string): string | undefined {
  const parts = path.split("/");
  const [top, second] = parts;
  if (top === "src") {
    if (parts.length === 2) return second === "index.ts" ? "index" : "base";
    if (second === "trust" && parts[2] === "cli") return "cli";
    return second;
  }
  if (top === "demo" && second === "media") return undefined; // a film is data, whoever opens it
  if (top === "demo") return second === "peers" ? "demo peers" : "demo page";
  if (path === "scripts/fuzz.ts") return "fuzz";
  if (parts.length === 1) return /\.config\.ts$/.test(path) ? "config" : undefined;
  return top;
}

/** x.test.ts, and what only tests load: x.fixture.ts, x.test-worker.ts. */
const isTest = (path: string): boolean => /\.(?:test|fixture)\.ts$|\.test-[\w-]+\.ts$/.test(path);
const packageOf = (specifier: string): string =>
  specifier.startsWith("node:")
    ? "node:"
    : specifier
        .split("/")
        .slice(0, specifier.startsWith("@") ? 2 : 1)
        .join("/");

/** Every broken rule in `files` (path from the root to source text), as text that says where, what and why. */
export function importViolations(files: ReadonlyMap<string, string>): string[] {
  const violations: string[] = [];
  const workerConstructors: string[] = [];

  for (const [path, source] of files) {
    const room = roomOf(path);
    if (room === undefined) continue;
    const rule = ROOMS[room];
    if (rule === undefined) {
      violations.push(
        `${path}: the room "${room}" is not in scripts/import-rules.ts. Say there what it may import, and why.`,
      );
      continue;
    }
    // A test may build its subject out of any room; the direction is about what ships.
    const relaxed = isTest(path) && /^(?:src|workers|demo\/examples)\//.test(path);
    for (const { specifier, typeOnly, line } of moduleReferences(source)) {
      const complain = (text: string): void => {
        violations.push(`${path}:${line}: ${text}`);
      };
      // new URL("../", import.meta.url) is a folder whose files somebody reads, not a module.
      if (specifier.endsWith("/")) continue;
      if (!specifier.startsWith(".")) {
        const name = packageOf(specifier);
        const owner = SINGLE_OWNER[name];
        if (owner !== undefined && owner !== room) {
          complain(`only ${owner}/ may import "${name}", so that there is one place to replace it.`);
        } else if (!relaxed && rule.packages !== undefined && !rule.packages.includes(name) && name !== "") {
          const allowed = rule.packages.length === 0 ? "no package" : rule.packages.join(", ");
          complain(`${room} may import ${allowed}, not "${name}". ${rule.why}`);
        }
        continue;
      }
      const target = posix.normalize(posix.join(posix.dirname(path), specifier.replace(/\?.*$/, "")));
      const targetRoom = roomOf(target);
      if (targetRoom === undefined || targetRoom === room) continue;
      if (path.startsWith("src/") && targetRoom === "workers") {
        if (!workerConstructors.includes(path)) workerConstructors.push(path);
        continue;
      }
      if (rule.runtime.includes(targetRoom)) continue;
      if (typeOnly && rule.types?.includes(targetRoom)) continue;
      if (relaxed && target.startsWith("src/") && targetRoom !== "index") continue;
      if (rule.types?.includes(targetRoom)) {
        complain(
          `${room} may name types of ${targetRoom} (import type), but not run its code: "${specifier}". ${rule.why}`,
        );
      } else {
        const allowed = rule.runtime.length === 0 ? "nothing else" : rule.runtime.join(", ");
        complain(`${room} may import ${allowed}, not ${targetRoom} ("${specifier}"). ${rule.why}`);
      }
    }
  }
  if (workerConstructors.length > 1) {
    violations.push(
      `${workerConstructors.join(", ")}: only one file of src may refer to workers/, the one with \`new Worker(new URL(...))\`; ` +
        "the build rewrites that address and an app's bundler looks for it.",
    );
  }
  return violations;
}

const FOLDERS = ["src", "workers", "demo", "e2e", "bench", "scripts"];

function main(): void {
  const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
  const names = FOLDERS.filter((folder) => existsSync(join(root, folder))).flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)),
  );
  names.push(...readdirSync(root).filter((name) => name.endsWith(".config.ts")));
  const files = new Map<string, string>();
  for (const name of names) {
    if (!/\.(?:ts|mjs)$/.test(name) || name.includes("node_modules")) continue;
    files.set(name.split(sep).join("/"), readFileSync(join(root, name), "utf8"));
  }
  const violations = importViolations(files);
  for (const violation of violations) console.error(violation);
  if (violations.length > 0) {
    console.error(
      `\n${violations.length} imports run against the direction. The table is scripts/import-rules.ts.`,
    );
    process.exitCode = 1;
  } else {
    console.log(`Import direction holds in ${files.size} files.`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
