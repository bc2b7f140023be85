import { expect, test } from "vitest";
import { partOf, sharesOf } from "./bundle-report.ts";

test("counts every byte of the bundle once, with the source whose stretch it is in", () => {
  // Line 1: "aaaa" of the first source from column 0, "bb" of the second from column 4. Line 2: nothing known, then the first again.
  const code = "aaaabb\n;aé";
  const map = { sources: ["../src/wire/a.ts", "../node_modules/comlink/b.mjs"], mappings: "AAAA,ICAA;CDAA" };
  expect(sharesOf(code, map).map(({ part, bytes }) => ({ part, bytes }))).toEqual([
    { part: "src/wire", bytes: 7 },
    { part: "npm comlink", bytes: 2 },
    { part: "glue of the bundler", bytes: 1 },
  ]);
});

test("reads offsets of several digits and steps backwards", () => {
  const code = `${"x".repeat(40)}yy`;
  const sources = ["../src/errors.ts", "../workers/a.ts"];
  // Column 0 of source 1, column 40 (two digits) back to source 0.
  expect(sharesOf(code, { sources, mappings: "ACAA,wCDAA" }).map(({ part, bytes }) => [part, bytes])).toEqual(
    [
      ["workers", 40],
      ["src (base)", 2],
    ],
  );
});

test("names rooms, and packages with and without a scope", () => {
  expect(partOf("../src/wire/draft18/setup.ts")).toBe("src/wire");
  expect(partOf("../src/errors.ts")).toBe("src (base)");
  expect(partOf("../workers/client.worker.ts")).toBe("workers");
  expect(partOf("../node_modules/@noble/hashes/sha2.js")).toBe("npm @noble/hashes");
  expect(partOf("../node_modules/cborg/lib/decode.js")).toBe("npm cborg");
});
