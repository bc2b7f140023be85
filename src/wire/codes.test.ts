import { describe, expect, it } from "vitest";
import {
  publishDoneCodes,
  publishDoneName,
  requestErrorName,
  requestErrors,
  sessionErrorName,
  sessionErrors,
  streamResetName,
  streamResets,
} from "./codes.ts";

const tables = [
  ["session errors", sessionErrors, sessionErrorName, 22],
  ["request errors", requestErrors, requestErrorName, 20],
  ["PUBLISH_DONE codes", publishDoneCodes, publishDoneName, 10],
  ["stream resets", streamResets, streamResetName, 10],
] as const;

describe.each(tables)("%s (draft-19 §15.10)", (_title, table, nameOf, size) => {
  it("has every code of the drafts we speak, each found again by its number", () => {
    const entries = Object.entries(table);
    expect(entries).toHaveLength(size);
    for (const [name, code] of entries) expect(nameOf(code)).toBe(name);
  });

  it("§14: treats a code it does not know as INTERNAL_ERROR", () => {
    for (const code of [0x9d, 0x11c, 0x3fff, 2n ** 63n]) expect(nameOf(code)).toBe("internal-error");
  });
});
