/** What interop runs found: as a table for people, as JSON for machines, as an exit status for scripts. */

/**
 * - `works`: as the draft has it, and as the player needs it.
 * - `peer cannot`: the peer refused in words that were expected of it; they are shown.
 * - `FAILS`: what should work did not.
 * - `skipped`: not tried, and why.
 */
export type Result = "works" | "peer cannot" | "FAILS" | "skipped";

export interface Outcome {
  readonly scenario: string;
  readonly draft: string;
  readonly result: Result;
  /** What was seen, or the peer's own words. */
  readonly words: string;
}

export interface InteropReport {
  readonly peer: string;
  readonly version: string;
  /** Of the machine, ISO 8601. */
  readonly date: string;
  /** Load average over one minute when the run began. */
  readonly load: number;
  readonly outcomes: readonly Outcome[];
}

/** Words in a table stay on one line; the whole text is in the JSON. */
const WIDEST_WORDS = 110;

/** A Markdown table, so that it reads the same in a terminal and in docs/interop.md. */
export function formatTable(report: InteropReport): string {
  const head = ["scenario", "draft", "result", "what was seen, or the peer's own words"];
  const rows = report.outcomes.map(({ scenario, draft, result, words }) => [
    scenario,
    draft,
    result,
    shortened(words),
  ]);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] as string).length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] as number)).join(" | ")} |`;
  const counts = summary(report.outcomes);
  return [
    `${report.peer} ${report.version}, ${report.date.slice(0, 10)}, load ${report.load.toFixed(1)}`,
    "",
    line(head),
    `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`,
    ...rows.map(line),
    "",
    counts,
    "",
  ].join("\n");
}

function summary(outcomes: readonly Outcome[]): string {
  const order: readonly Result[] = ["works", "peer cannot", "FAILS", "skipped"];
  return order
    .map((result) => ({ result, count: outcomes.filter((outcome) => outcome.result === result).length }))
    .filter(({ count }) => count > 0)
    .map(({ result, count }) => `${count} ${result}`)
    .join(", ");
}

function shortened(words: string): string {
  const line = words.replace(/\s+/g, " ").replaceAll("|", "/").trim();
  return line.length <= WIDEST_WORDS ? line : `${line.slice(0, WIDEST_WORDS - 1)}…`;
}

/** 0: everything that should work does. 1: something does not, or nothing was tried at all. */
export function exitStatus(outcomes: readonly Outcome[]): 0 | 1 {
  const tried = outcomes.some(({ result }) => result === "works" || result === "peer cannot");
  return tried && !outcomes.some(({ result }) => result === "FAILS") ? 0 : 1;
}
