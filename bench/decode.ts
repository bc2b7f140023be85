/**
 * Decoding objects with full validation, against a bare loop that only finds the payloads.
 *
 * `npx tsx bench/decode.ts [--json]`. The reference, `raw:loop`, is the least that any decoder must do on the same bytes in the same run: read the two
 * integers before a payload, hand out a view of it, copy only what spans chunks. It checks nothing, knows no properties and keeps no
 * state but the object id. Runs of both alternate, so a noisy machine hits both alike; the last line is JSON.
 */
import { arch, cpus, platform } from "node:os";
import { argv, stdout, version } from "node:process";
import { draft18 } from "../src/wire/draft18/index.ts";
import type { DataStreamSink, MoqObject, SubgroupHeader } from "../src/wire/objects.ts";

const STREAM_BYTES = 32 * 1024 * 1024;
const ROUNDS = 9;
const WARM_UP_ROUNDS = 3;
/** One timing lasts at least this long: decoding a stream once takes as little as 2 ms, which is noise. */
const ROUND_MS = 60;
const PAYLOADS = [200, 1024, 16 * 1024];
const CHUNKS = [4 * 1024, 64 * 1024];

const header: SubgroupHeader = {
  trackAlias: 1,
  group: 7,
  subgroup: 0,
  priority: undefined,
  hasProperties: false,
  endOfGroup: true,
  firstObject: true,
};

function streamOf(payloadBytes: number, chunkBytes: number): { chunks: Uint8Array[]; objects: number } {
  const objects = Math.floor(STREAM_BYTES / payloadBytes);
  const payload = new Uint8Array(payloadBytes).fill(0x5a);
  const parts: Uint8Array[] = [draft18.encodeSubgroupHeader(header)];
  for (let id = 0; id < objects; id++) {
    const object: MoqObject = {
      group: 7,
      object: id,
      subgroup: 0,
      priority: undefined,
      status: "normal",
      properties: new Uint8Array(0),
      payload,
    };
    parts.push(draft18.encodeSubgroupObject(object, header, id === 0 ? undefined : id - 1), payload);
  }
  const all = Buffer.concat(parts);
  const chunks: Uint8Array[] = [];
  // Buffers of their own, as a transport's reads are.
  for (let at = 0; at < all.length; at += chunkBytes)
    chunks.push(new Uint8Array(all.subarray(at, at + chunkBytes)));
  return { chunks, objects };
}

/** Where payloads end up: enough that no engine may leave the work out. */
const seen = { objects: 0, bytes: 0 };

const sink: DataStreamSink = {
  subgroup: () => undefined,
  fetch: () => undefined,
  accept: () => true,
  gap: () => undefined,
  object: (object) => {
    seen.objects++;
    seen.bytes += object.payload.length;
  },
};

function ours(chunks: readonly Uint8Array[]): void {
  const decoder = draft18.dataStreamDecoder(sink, 1 << 24);
  for (const chunk of chunks) decoder.push(chunk);
  decoder.finish();
}

function bareObject(id: number, payload: Uint8Array): void {
  seen.objects += id >= 0 ? 1 : 0;
  seen.bytes += payload.length;
}

/** Two integers before each payload: an id delta of one byte, a length of one to three. The header of this stream takes three bytes. */
function bare(chunks: readonly Uint8Array[]): void {
  const head = new Uint8Array(8);
  let carried = 0;
  let id = -1;
  let pos = 3;
  let partial: Uint8Array | undefined;
  let filled = 0;
  for (const chunk of chunks) {
    if (partial !== undefined) {
      const step = Math.min(partial.length - filled, chunk.length);
      partial.set(step === chunk.length ? chunk : chunk.subarray(0, step), filled);
      filled += step;
      pos = step;
      if (filled < partial.length) continue;
      bareObject(id, partial);
      partial = undefined;
    }
    while (pos < chunk.length) {
      let from = chunk;
      let at = pos;
      if (carried > 0) {
        head.set(chunk.subarray(0, 4), carried);
        from = head;
        at = 0;
      } else if (chunk.length - pos < 4) {
        head.set(chunk.subarray(pos));
        carried = chunk.length - pos;
        pos = chunk.length;
        break;
      }
      id += from[at++]! + 1;
      let length = from[at++]!;
      if (length >= 0xc0) {
        length = ((length & 0x1f) << 16) | (from[at]! << 8) | from[at + 1]!;
        at += 2;
      } else if (length >= 0x80) {
        length = ((length & 0x3f) << 8) | from[at++]!;
      }
      pos = at - carried;
      carried = 0;
      if (pos + length <= chunk.length) {
        bareObject(id, chunk.subarray(pos, pos + length));
        pos += length;
      } else {
        partial = new Uint8Array(length);
        partial.set(chunk.subarray(pos));
        filled = chunk.length - pos;
        pos = chunk.length;
      }
    }
    pos = 0;
  }
}

function seconds(
  run: (chunks: readonly Uint8Array[]) => void,
  chunks: readonly Uint8Array[],
  objects: number,
): number {
  seen.objects = 0;
  seen.bytes = 0;
  let streams = 0;
  let taken = 0;
  const start = performance.now();
  do {
    run(chunks);
    streams++;
    taken = performance.now() - start;
  } while (taken < ROUND_MS);
  if (seen.objects !== objects * streams)
    throw new Error(`${run.name} found ${seen.objects} of ${objects * streams} objects`);
  return taken / 1000 / streams;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

const cases = [];
for (const payloadBytes of PAYLOADS) {
  for (const chunkBytes of CHUNKS) {
    const { chunks, objects } = streamOf(payloadBytes, chunkBytes);
    const oursTaken: number[] = [];
    const bareTaken: number[] = [];
    for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
      const a = seconds(ours, chunks, objects);
      const b = seconds(bare, chunks, objects);
      if (round < 0) continue;
      oursTaken.push(a);
      bareTaken.push(b);
    }
    const megabytes = (objects * payloadBytes) / 1e6;
    const rate = megabytes / median(oursTaken);
    const spread = (Math.max(...oursTaken) - Math.min(...oursTaken)) / median(oursTaken);
    const ratio = median(bareTaken) / median(oursTaken);
    const name = `${payloadBytes} B objects, ${chunkBytes / 1024} KiB chunks`;
    cases.push({
      case: name,
      value: Math.round(rate),
      unit: "MB/s",
      spread: Number(spread.toFixed(2)),
      reference: "raw:loop",
      ratio: Number(ratio.toFixed(2)),
    });
    if (!argv.includes("--json")) {
      const perSecond = Math.round(objects / median(oursTaken)).toLocaleString("en");
      stdout.write(
        `${name}: ${Math.round(rate)} MB/s, ${perSecond} objects/s, ${ratio.toFixed(2)} of the bare loop\n`,
      );
    }
  }
}
const machine = `${cpus().length} x ${cpus()[0]?.model ?? "unknown"}, ${platform()} ${arch()}, Node ${version}`;
stdout.write(`${JSON.stringify({ name: "decode", machine, cases })}\n`);
