/**
 * What a bundle is made of: its minified bytes by room and by npm package, read off its source map. `npm run build -- --report` prints it;
 * who wants to shrink the bundle starts here.
 */
import { gzipSync } from "node:zlib";

export interface SourceMap {
  readonly sources: readonly (string | null)[];
  readonly mappings: string;
}

export interface Share {
  /** "src/wire", "workers", "npm comlink", ... */
  readonly part: string;
  readonly bytes: number;
  /** Of this part alone: compressed together they take less, since they share words. */
  readonly gzipBytes: number;
}

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const UNMAPPED = "glue of the bundler";

/** The fields of one segment: differences to the segment before, as base64 VLQ (ECMA-426). */
function decodeSegment(text: string): number[] {
  const fields: number[] = [];
  let value = 0;
  let shift = 0;
  for (const character of text) {
    const digit = BASE64.indexOf(character);
    value += (digit & 31) * 2 ** shift;
    shift += 5;
    if ((digit & 32) !== 0) continue;
    fields.push(value % 2 === 1 ? -((value - 1) / 2) : value / 2);
    value = 0;
    shift = 0;
  }
  return fields;
}

/** The source of every stretch of the code: it reaches from its segment to the next one. */
function* stretches(code: string, map: SourceMap): Generator<{ source: string | undefined; text: string }> {
  const lines = code.split("\n");
  let source = 0;
  for (const [index, segments] of map.mappings.split(";").entries()) {
    const line = lines[index] ?? "";
    let column = 0;
    let from: string | undefined;
    let start = 0;
    for (const segment of segments.split(",").filter((text) => text !== "")) {
      const [step = 0, sourceStep] = decodeSegment(segment);
      column += step;
      yield { source: from, text: line.slice(start, column) };
      source += sourceStep ?? 0;
      from = sourceStep === undefined ? undefined : (map.sources[source] ?? undefined);
      start = column;
    }
    yield { source: from, text: line.slice(start) };
  }
}

/** The room of a source of the repository, or the package of one from npm. */
export function partOf(source: string): string {
  const installed = source.split("node_modules/").at(-1);
  if (installed !== undefined && installed !== source) {
    return `npm ${installed
      .split("/")
      .slice(0, installed.startsWith("@") ? 2 : 1)
      .join("/")}`;
  }
  const path = source.replace(/^(?:\.\.?\/)+/, "").split("/");
  if (path[0] !== "src") return path[0] ?? source;
  return path.length === 2 ? "src (base)" : path.slice(0, 2).join("/");
}

/** The shares of a bundle by `part`, biggest first. */
export function sharesOf(code: string, map: SourceMap, part: (source: string) => string = partOf): Share[] {
  const texts = new Map<string, string[]>();
  for (const { source, text } of stretches(code, map)) {
    if (text === "") continue;
    const name = source === undefined ? UNMAPPED : part(source);
    const list = texts.get(name);
    if (list) list.push(text);
    else texts.set(name, [text]);
  }
  return [...texts]
    .map(([name, list]) => {
      const text = list.join("");
      return { part: name, bytes: Buffer.byteLength(text), gzipBytes: gzipSync(text, { level: 9 }).length };
    })
    .sort((a, b) => b.bytes - a.bytes);
}
