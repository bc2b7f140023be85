import { expect, test } from "vitest";
import { moduleReferences } from "./module-references.ts";

const specifiers = (source: string): string[] => moduleReferences(source).map((found) => found.specifier);

test("finds every way of naming a module", () => {
  const source = `
    import "./effect.ts";
    import a, { b as c } from './single.ts';
    import * as d from "./star.ts";
    import {
      e,
      type F,
    } from "./lines.ts";
    export * from "./all.ts";
    export { g } from "./named.ts";
    const h = await import("./dynamic.ts");
    new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  `;
  expect(specifiers(source)).toEqual([
    "./effect.ts",
    "./single.ts",
    "./star.ts",
    "./lines.ts",
    "./all.ts",
    "./named.ts",
    "./dynamic.ts",
    "./worker.ts",
  ]);
});

test("tells imports that are erased from imports that run", () => {
  const source = `
    import type { A } from "./a.ts";
    export type { B } from "./b.ts";
    import { type C } from "./c.ts";
    import type from "./d.ts";
    type E = typeof import("./e.ts");
  `;
  expect(moduleReferences(source).map((found) => [found.specifier, found.typeOnly])).toEqual([
    ["./a.ts", true],
    ["./b.ts", true],
    ["./c.ts", false],
    ["./d.ts", false],
    ["./e.ts", true],
  ]);
});

test("looks past comments, strings, templates and regular expressions", () => {
  const source = [
    `// import "./comment.ts"`,
    `/* import "./block.ts" */`,
    `const text = 'import "./string.ts"';`,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the text is the source of a template
    'const template = `import "./template.ts" ${"`"} ${{ a: `import "./inner.ts"` }.a}`;',
    `const pattern = /["'\`]/g; const ratio = 4 / 2; const other = "/";`,
    `import { real } from "./real.ts";`,
  ].join("\n");
  expect(moduleReferences(source)).toEqual([{ specifier: "./real.ts", typeOnly: false, line: 6 }]);
});

test("does not join an export without a source to the next import", () => {
  expect(specifiers(`export const x = 1;\nexport function from() {}\nimport y from "./y.ts";`)).toEqual([
    "./y.ts",
  ]);
  expect(moduleReferences(`type A = 1;\nexport type { A }\nimport y from "./y.ts";`)).toEqual([
    { specifier: "./y.ts", typeOnly: false, line: 3 },
  ]);
});
