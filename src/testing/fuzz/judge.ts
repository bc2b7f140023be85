/** What targets hold code to: a value or a typed error, and equal values where two ways must agree. */
import { CountersignError, type ErrorCode } from "../../errors.ts";

/** A promise of the code under test that was broken. */
export class Broken extends Error {
  override readonly name = "Broken";
}

export function demand(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Broken(what);
}

export type Verdict<T> =
  | { readonly value: T; readonly error?: undefined }
  | { readonly value?: undefined; readonly error: CountersignError };

/** The value, or the CountersignError, of one of `codes` if given. Any other error is a broken promise, and thrown on. */
export function judge<T>(run: () => T, codes?: readonly ErrorCode[]): Verdict<T> {
  try {
    return { value: run() };
  } catch (thrown) {
    if (!(thrown instanceof CountersignError)) throw thrown;
    if (codes && !codes.includes(thrown.code)) throw thrown;
    demand(
      thrown.message.length > 0 && thrown.message.length < 4_000,
      `The error ${thrown.code} says nothing readable.`,
    );
    return { error: thrown };
  }
}

/** Any value as text in which equal values are equal: bytes as hex, integers apart from bigints, fields in order of name, undefined ones left out. */
export function printed(value: unknown): string {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "undefined";
  if (value instanceof Uint8Array) return `hex:${hex(value)}`;
  if (Array.isArray(value)) return `[${value.map(printed).join(",")}]`;
  if (value instanceof Map) return `map${printed([...value])}`;
  const plain = value instanceof CountersignError ? value.toData() : value;
  const fields = Object.entries(plain).filter(([, field]) => field !== undefined);
  fields.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${name}:${printed(field)}`).join(",")}}`;
}

/** Throws when the two differ, saying where. */
export function demandSame(a: unknown, b: unknown, what: string): void {
  const first = printed(a);
  const second = printed(b);
  if (first === second) return;
  let at = 0;
  while (first[at] === second[at]) at++;
  const from = Math.max(0, at - 60);
  throw new Broken(`${what}: ...${first.slice(from, at + 120)} is not ...${second.slice(from, at + 120)}`);
}

export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
