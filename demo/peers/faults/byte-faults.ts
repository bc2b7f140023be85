/** Lies about streams: the bytes of outgoing object streams are cut short, reset, slowed down or never end. */
import type { WebTransportPort } from "../../../src/transport/port.ts";
import type { FaultSwitch } from "./fault.ts";

/** Object streams are let through up to here before they are cut: past the header and inside an object's payload. */
const CUT_AFTER_BYTES = 3000;

/** The endless object is sent in chunks of this size, this often: enough to fill a careless receiver's memory within a minute. */
const ENDLESS_CHUNK_BYTES = 64 * 1024;
const ENDLESS_INTERVAL_MS = 10;

/** A quarter of what the bundled clip needs. */
const THROTTLED_BYTES_PER_SECOND = 16 * 1024;
const THROTTLE_TURN_MS = 20;

/** Object id delta 0 and a payload length of 2^40: vi64 (draft-18 §1.4.1) with 6 bytes, 42 bits. */
const ENDLESS_OBJECT_HEADER = Uint8Array.of(0x00, 0xf9, 0x00, 0x00, 0x00, 0x00, 0x00);

/** SETUP's stream type begins with this byte (vi64 of 0x2F00); control streams stay honest. */
const CONTROL_FIRST_BYTE = 0xaf;

export function tamperPort(port: WebTransportPort, faults: FaultSwitch): WebTransportPort {
  return new Proxy(port, {
    get(target, property) {
      if (property === "createUnidirectionalStream") {
        return async (options?: { sendOrder?: number }) =>
          tamperStream(await target.createUnidirectionalStream(options), faults);
      }
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

function tamperStream(stream: WritableStream<Uint8Array>, faults: FaultSwitch): WritableStream<Uint8Array> {
  const writer = stream.getWriter();
  let sent = 0;
  let control: boolean | undefined;
  let over = false;
  return new WritableStream<Uint8Array>({
    async write(chunk) {
      control ??= chunk[0] === CONTROL_FIRST_BYTE;
      if (control || faults.current === "none") {
        await writer.write(chunk);
        return;
      }
      if (over) return;
      if (faults.current === "throttle") await lineIsFree(faults, chunk.byteLength);
      if (
        (faults.current === "truncate" || faults.current === "reset") &&
        sent + chunk.byteLength > CUT_AFTER_BYTES
      ) {
        over = true;
        await writer.write(chunk.slice(0, Math.max(0, CUT_AFTER_BYTES - sent)));
        if (faults.current === "truncate") await writer.close();
        else await writer.abort(new Error("reset on purpose"));
        return;
      }
      sent += chunk.byteLength;
      await writer.write(chunk);
      if (faults.current === "endless" && sent > CUT_AFTER_BYTES) {
        over = true;
        void sendForever(writer, faults);
      }
    },
    async close() {
      if (!over) await writer.close();
    },
    async abort(reason) {
      if (!over) await writer.abort(reason);
    },
  });
}

/** All streams of a throttled relay share one thin line; what waits goes out at once when it is throttled no more. */
async function lineIsFree(faults: FaultSwitch, bytes: number): Promise<void> {
  const turnMs = Math.max(faults.lineFreeAtMs, Date.now()) + (bytes / THROTTLED_BYTES_PER_SECOND) * 1000;
  faults.lineFreeAtMs = turnMs;
  while (faults.current === "throttle" && Date.now() < turnMs) {
    await new Promise((resolve) => setTimeout(resolve, THROTTLE_TURN_MS));
  }
  if (faults.current !== "throttle") faults.lineFreeAtMs = 0;
}

async function sendForever(
  writer: WritableStreamDefaultWriter<Uint8Array>,
  faults: FaultSwitch,
): Promise<void> {
  faults.endless.begun += 1;
  try {
    await writer.write(ENDLESS_OBJECT_HEADER);
    while (faults.current === "endless") {
      await writer.write(new Uint8Array(ENDLESS_CHUNK_BYTES));
      faults.endless.bytes += ENDLESS_CHUNK_BYTES;
      await new Promise((resolve) => setTimeout(resolve, ENDLESS_INTERVAL_MS));
    }
    await writer.abort(new Error("no longer endless"));
  } catch {
    // The receiver stopped it, which is what it should do.
    faults.endless.refused += 1;
  }
}
