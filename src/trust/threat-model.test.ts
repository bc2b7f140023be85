import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, ROOT), "utf8");
const NAMED = [...read("docs/threat-model.md").matchAll(/`([\w./-]+\.(?:test|spec)\.ts)` "([^"]+)" \|/g)];

it("names a test in every row of its tables of attacks", () => {
  const rows = read("docs/threat-model.md")
    .split(/^## Attacks.*$/m)[1]!
    .split("\n")
    .filter((line) => line.startsWith("| ") && !line.includes("| test |"));
  expect(rows.length).toBeGreaterThan(25);
  expect(NAMED).toHaveLength(rows.length);
});

it.each(NAMED.map(([, file, title]) => [title!, file!]))("holds by the test %j", (title, file) => {
  expect(read(file)).toMatch(
    new RegExp(`\\b(?:it|test)(?:\\.each\\(.*\\))?\\(\\s*"${title.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}"`),
  );
});
