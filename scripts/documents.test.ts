/** What the documents show must work: examples compile against the public list, commands exist, links lead somewhere. */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const DOCUMENTS = ["", "docs"].flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(folder, name)),
);

/** tsc starts in a second on an idle machine. */
const COMPILE_TIMEOUT_MS = 120_000;

const read = (name: string): string => readFileSync(join(ROOT, name), "utf8");

/** The contents of the fenced blocks of a language. */
function blocks(name: string, language: string): string[] {
  return [...read(name).matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(
    (match) => match[1] ?? "",
  );
}

/** Names the package as an app does, and means our sources. In the repository, so that hls.js is found. */
function compile(examples: readonly string[]): { readonly status: number | null; readonly said: string } {
  const cache = join(ROOT, ".cache");
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "examples-"));
  try {
    for (const [index, example] of examples.entries()) {
      // An export makes a module of it, whatever it holds, so that examples cannot see each other's names.
      writeFileSync(join(folder, `example-${index + 1}.ts`), `${example}\nexport {};\n`);
    }
    const configuration = {
      extends: "../../tsconfig.json",
      compilerOptions: {
        types: [],
        // An example introduces names to show them.
        noUnusedLocals: false,
        paths: { countersign: ["../../src/index.ts"], "countersign/testing": ["../../src/testing/index.ts"] },
      },
      include: ["*.ts"],
    };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(configuration));
    const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
    return { status, said: stdout };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("the README has an example, and every TypeScript example of the documents compiles", {
  timeout: COMPILE_TIMEOUT_MS,
}, () => {
  expect(blocks("README.md", "ts")).toHaveLength(1);
  expect(compile(DOCUMENTS.flatMap((name) => blocks(name, "ts")))).toEqual({ status: 0, said: "" });
});

test("an example that does not fit the public list is told so", { timeout: COMPILE_TIMEOUT_MS }, () => {
  const [example = ""] = blocks("README.md", "ts");
  const { status, said } = compile([example.replace("objects:", "relays:")]);
  expect(status).not.toBe(0);
  expect(said).toContain("'relays' does not exist in type 'PlayerOptions'");
});

test.each(DOCUMENTS)("every npm command that %s names is in package.json", (name) => {
  const { scripts } = JSON.parse(read("package.json")) as {
    readonly scripts: Readonly<Record<string, string>>;
  };
  const named = [...read(name).matchAll(/\bnpm (?:run ([\w-]+)|(start|test)\b)/g)].map(
    (match) => match[1] ?? match[2] ?? "",
  );
  if (name === "README.md") expect(named).toEqual(expect.arrayContaining(["start", "test"]));
  expect(named.filter((command) => scripts[command] === undefined)).toEqual([]);
});

test.each(DOCUMENTS)("every file that %s links to exists", (name) => {
  const links = [...read(name).matchAll(/\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)/g)].map(
    (match) => match[1] ?? "",
  );
  expect(links.filter((link) => !existsSync(join(ROOT, dirname(name), link)))).toEqual([]);
});
