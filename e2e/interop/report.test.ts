import { describe, expect, test } from "vitest";
import { exitStatus, formatTable, type InteropReport, type Outcome } from "./report.ts";

const outcome = (result: Outcome["result"], words = "as it should be"): Outcome => ({
  scenario: "set-up",
  draft: "moqt-18",
  result,
  words,
});

const report = (...outcomes: Outcome[]): InteropReport => ({
  peer: "some-relay",
  version: "1.2.3",
  date: "2026-01-02T03:04:05.678Z",
  load: 0.25,
  outcomes,
});

describe("the table", () => {
  test("is Markdown: a head, a rule, a row per outcome, all of one width", () => {
    const lines = formatTable(report(outcome("works"), outcome("peer cannot", "no such thing here"))).split(
      "\n",
    );
    const table = lines.filter((line) => line.startsWith("|"));
    expect(table).toHaveLength(4);
    expect(new Set(table.map((line) => line.length)).size).toBe(1);
    expect(
      table[0]
        ?.split("|")
        .map((cell) => cell.trim())
        .slice(1, 4),
    ).toEqual(["scenario", "draft", "result"]);
    expect(table[1]).toMatch(/^\|-+\|-+\|-+\|-+\|$/);
    expect(table[3]).toContain("no such thing here");
  });

  test("says what was tried, when, on how busy a machine, and counts", () => {
    const text = formatTable(
      report(outcome("works"), outcome("works"), outcome("FAILS"), outcome("skipped")),
    );
    expect(text).toContain("some-relay 1.2.3, 2026-01-02, load 0.3");
    expect(text).toContain("2 works, 1 FAILS, 1 skipped");
    expect(text).not.toContain("peer cannot,");
  });

  test("keeps a peer's words on one line and within the row, whatever they are", () => {
    const row = (words: string): string =>
      formatTable(report(outcome("FAILS", words)))
        .split("\n")
        .filter((line) => line.startsWith("|"))[2] ?? "";
    expect(row("first\nsecond | third")).toContain("first second / third");
    expect(row("x".repeat(500)).length).toBeLessThan(200);
    expect(row("x".repeat(500))).toContain("…");
  });
});

describe("the exit status", () => {
  test("is 0 when what should work does, also when the peer cannot do all", () => {
    expect(exitStatus([outcome("works"), outcome("peer cannot"), outcome("skipped")])).toBe(0);
  });

  test("is 1 when anything fails", () => {
    expect(exitStatus([outcome("works"), outcome("FAILS"), outcome("works")])).toBe(1);
  });

  test("is 1 when nothing was tried", () => {
    expect(exitStatus([])).toBe(1);
    expect(exitStatus([outcome("skipped")])).toBe(1);
  });
});
