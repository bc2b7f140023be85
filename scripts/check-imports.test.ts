import { describe, expect, test } from "vitest";
import { importViolations } from "./check-imports.ts";

function violations(path: string, source: string): string[] {
  return importViolations(new Map([[path, source]]));
}

describe("the import direction", () => {
  test.each([
    ["src/session/a.ts", `import { x } from "../wire/varint.ts";`],
    ["src/wire/deep/a.ts", `import { x } from "../../errors.ts";`],
    ["src/merge/a.ts", `import type { S } from "../session/s.ts";`],
    ["src/playback/a.ts", `import Hls from "hls.js";`],
    ["src/playback/a.ts", `import type { Range } from "../replay/ranges.ts";`],
    ["demo/page.ts", `import { createPlayer } from "../src/index.ts";`],
    ["demo/peers/relay.ts", `import { x } from "../../src/merge/ledger.ts";\nimport { y } from "node:fs";`],
    ["src/wire/a.test.ts", `import { x } from "../testing/clock.ts";\nimport { test } from "vitest";`],
    ["src/wire/a.fixture.ts", `import { x } from "../testing/clock.ts";`],
    ["workers/client.worker.ts", `import { x } from "../src/replay/store.ts";`],
    ["src/trust/a.test.ts", `const root = new URL("../../", import.meta.url);`],
    ["workers/broadcast.fixture.ts", `import { x } from "../src/testing/clock.ts";`],
  ])("lets %s import downwards: %s", (path, source) => {
    expect(violations(path, source)).toEqual([]);
  });

  test.each([
    ["src/wire/a.ts", `import { x } from "../session/s.ts";`, "not session"],
    ["src/wire/a.ts", `import type { S } from "../session/s.ts";`, "not session"],
    ["src/errors.ts", `import { x } from "./wire/varint.ts";`, "not wire"],
    ["src/wire/a.ts", `import { x } from "node:buffer";`, 'not "node:"'],
    ["src/merge/a.ts", `import { S } from "../session/s.ts";`, "types of session"],
    ["src/playback/a.ts", `import { open } from "../replay/store.ts";`, "types of replay"],
    ["src/playback/a.ts", `import { x } from "../transport/connect.ts";`, "not transport"],
    ["src/index.ts", `export { x } from "./transport/connect.ts";`, "types of transport"],
    ["src/replay/a.ts", `import Hls from "hls.js";`, "only playback/"],
    ["src/rpc/a.test.ts", `import Hls from "hls.js";`, "only playback/"],
    ["src/rpc/a.ts", `const x = await import("../replay/store.ts");`, "types of replay"],
    ["src/trust/a.ts", `import { x } from "../../demo/peers/relay.ts";`, "not demo peers"],
    ["src/trust/a.ts", `import { x } from "../../e2e/helpers.ts";`, "not e2e"],
    ["demo/page.ts", `import { x } from "../src/wire/varint.ts";`, "not wire"],
    ["demo/peers/relay.ts", `import { x } from "../../src/playback/player.ts";`, "not playback"],
    ["src/kitchen/a.ts", "", '"kitchen" is not in'],
  ])("stops %s from: %s", (path, source, said) => {
    const found = violations(path, source);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(said);
    expect(found[0]).toContain(path);
  });

  test("says why, with the line", () => {
    const [found] = violations("src/wire/a.ts", `// first line\nimport { x } from "../session/s.ts";\n`);
    expect(found).toMatch(/^src\/wire\/a\.ts:2: .*It is pure/);
  });

  test("grants the worker's construction to one file only", () => {
    const source = `new Worker(new URL("../../workers/client.worker.ts", import.meta.url), { type: "module" });`;
    expect(violations("src/rpc/spawn.ts", source)).toEqual([]);
    const both = importViolations(
      new Map([
        ["src/rpc/spawn.ts", source],
        ["src/playback/player.ts", source],
      ]),
    );
    expect(both).toHaveLength(1);
    expect(both[0]).toContain("src/rpc/spawn.ts, src/playback/player.ts");
  });
});
