import { expect, it } from "vitest";
import { DEFAULT_REPLAY_AGE_MS, parseReplay } from "./replay-options.ts";

it("keeps 72 hours unless told otherwise, and fills nothing unasked", () => {
  expect(parseReplay(true)).toEqual({ enabled: true, maxAgeMs: DEFAULT_REPLAY_AGE_MS, maxBytes: undefined });
  expect(parseReplay(false).enabled).toBe(false);
});

it("takes how far back to fill as people write it, and never more than is kept", () => {
  expect(parseReplay({ backfill: "24h" }).backfillMs).toBe(86_400_000);
  expect(parseReplay({ backfill: "90m" }).backfillMs).toBe(5_400_000);
  expect(parseReplay({ backfill: "1.5h" }).backfillMs).toBe(5_400_000);
  expect(parseReplay({ backfill: 1000 }).backfillMs).toBe(1000);
  expect(parseReplay({ backfill: "9d", maxAgeMs: 1000 }).backfillMs).toBe(1000);
});

it("takes a module's address, whole", () => {
  expect(parseReplay({ source: new URL("https://app.test/source.js") }).sourceUrl).toBe(
    "https://app.test/source.js",
  );
});

it.each([
  [{ backfill: "yesterday" }],
  [{ backfill: 0 }],
  [{ backfill: "24" }],
  [{ maxAgeMs: 0 }],
  [{ maxBytes: -1 }],
  [{ store: "cloud" as "opfs" }],
  [{ source: "http://" }],
])("refuses %j with what to do instead", (replay) => {
  try {
    parseReplay(replay);
  } catch (thrown) {
    expect(thrown).toMatchObject({ code: "invalid-options", hint: expect.stringMatching(/\w/) });
    return;
  }
  throw new Error("it was taken");
});
