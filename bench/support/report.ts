/**
 * What every benchmark ends with: a table for people and one line of JSON for programs.
 *
 * A case is measured several times; its value is the median, its spread (max - min) / median. `ratio` compares with a reference that was measured in
 * the same run, turn by turn with the case itself, so that a busy machine slows both; bigger is better. Nothing here judges a figure: budgets are
 * in docs/performance.md, and no test asserts a time.
 */
import { arch, cpus, loadavg, platform } from "node:os";
import { argv, stdout, version } from "node:process";

export interface BenchCase {
  readonly case: string;
  readonly value: number;
  readonly unit: string;
  readonly spread: number;
  /** `raw:<what>`, `stock:<what>` or `peer:<package>`; null for a figure that has nothing to be compared with. */
  readonly reference: string | null;
  readonly ratio: number | null;
}

/** One figure per run. */
export type Samples = readonly number[];

export interface Reference {
  /** As in {@link BenchCase.reference}. */
  readonly name: string;
  readonly samples: Samples;
}

/** Whether more of a unit is better (a rate) or less (a time). */
export type Direction = "more" | "less";

export function median(values: Samples): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The value below which this share (0 to 1) of the values lies. */
export function quantile(values: Samples, share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function benchCase(
  name: string,
  unit: string,
  better: Direction,
  samples: Samples,
  reference?: Reference,
): BenchCase {
  const value = median(samples);
  const spread = value === 0 ? 0 : (Math.max(...samples) - Math.min(...samples)) / Math.abs(value);
  const other = reference && median(reference.samples);
  const ratio = other === undefined ? null : better === "more" ? value / other : other / value;
  return {
    case: name,
    value: rounded(value),
    unit,
    spread: rounded(spread),
    reference: reference?.name ?? null,
    // A time or count of 0 has no ratio; JSON could not say Infinity either.
    ratio: ratio !== null && Number.isFinite(ratio) ? rounded(ratio) : null,
  };
}

/** Three significant digits: more would claim a precision that no run here has. */
function rounded(value: number): number {
  return Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(3));
}

/** Ends the benchmark's output. With `--json` the line of JSON is all of it. */
export function printReport(name: string, cases: readonly BenchCase[]): void {
  if (!argv.includes("--json")) printTable(cases);
  stdout.write(`${JSON.stringify({ name, machine: machine(), cases })}\n`);
}

function printTable(cases: readonly BenchCase[]): void {
  const rows = cases.map(({ case: name, value, unit, spread, reference, ratio }) => [
    name,
    `${value} ${unit}`,
    `±${Math.round(spread * 50)}%`,
    ratio === null ? "" : `${ratio} of ${reference}`,
  ]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows)
    stdout.write(
      `${row
        .map((text, column) => text.padEnd(widths[column]!))
        .join("  ")
        .trimEnd()}\n`,
    );
}

/** The load says how much of the machine somebody else had: above the number of cores, absolute figures are low. */
function machine(): string {
  const load = loadavg()[0]!.toFixed(1);
  return `${cpus().length} x ${cpus()[0]?.model ?? "unknown"}, ${platform()} ${arch()}, Node ${version}, load ${load}`;
}

/** What a benchmark is doing, on stderr: its output stays its own. */
export function note(text: string): void {
  process.stderr.write(`[bench] ${text}\n`);
}

/** `--name value` of the command line, as a number. */
export function numberFlag(name: string, fallback: number): number {
  const at = argv.indexOf(`--${name}`);
  const value = at === -1 ? fallback : Number(argv[at + 1]);
  if (!Number.isFinite(value)) throw new Error(`--${name} takes a number`);
  return value;
}

export function stringFlag(name: string, fallback: string): string {
  const at = argv.indexOf(`--${name}`);
  return (at === -1 ? undefined : argv[at + 1]) ?? fallback;
}
