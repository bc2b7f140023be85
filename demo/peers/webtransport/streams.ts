/** Native streams as web streams, with the codes of resets and stops carried both ways and no copies. */
import type { NativeReceiveStream, NativeSendStream } from "./native.ts";

/** How much one read takes at most, and after how much a write looks whether it was aborted. */
const CHUNK_BYTES = 64 * 1024;

/** What browsers call WebTransportError: `streamErrorCode` is the peer's code when a stream was reset or stopped. */
export class WebTransportStreamError extends Error {
  override readonly name = "WebTransportError";
  readonly source: "stream" | "session";
  readonly streamErrorCode: number | null;

  constructor(message: string, streamErrorCode: number | null, cause?: unknown) {
    super(message, { cause });
    this.source = streamErrorCode === null ? "session" : "stream";
    this.streamErrorCode = streamErrorCode;
  }
}

/** The native layer puts the code into the text: "RESET_STREAM: 77", "STOP_SENDING: 4660". */
export function translateError(error: unknown): WebTransportStreamError {
  const message = error instanceof Error ? error.message : String(error);
  const code = /(?:RESET_STREAM|STOP_SENDING): (\d+)/.exec(message)?.[1];
  return new WebTransportStreamError(message, code === undefined ? null : Number(code), error);
}

/** The code to send for an abort or cancel with `reason`, as W3C WebTransport has it: 0 unless the reason names one. */
function codeOf(reason: unknown): number {
  const code = (reason as { streamErrorCode?: unknown } | null | undefined)?.streamErrorCode;
  return typeof code === "number" ? code : 0;
}

/** The readable errors with a {@link WebTransportStreamError} when the peer resets the stream or the session ends. */
export function receiveStream(receive: NativeReceiveStream): ReadableStream<Uint8Array> {
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      let chunk: Buffer | null;
      try {
        chunk = await receive.read(CHUNK_BYTES);
      } catch (error) {
        controller.error(translateError(error));
        return;
      }
      if (chunk === null) controller.close();
      else controller.enqueue(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    },
    cancel(reason) {
      // Not awaited: it goes out when the read that is under way returns, which may be long after.
      receive.stop(codeOf(reason)).catch(ended);
    },
  });
}

/**
 * Closing sends FIN, aborting a reset. `open` holds the stream until then: a native stream that is merely forgotten ends
 * with FIN, and its reader would take a truncated object for a whole one.
 *
 * That the peer stopped the stream shows at the next write. A reset waits for a write that flow control holds up.
 */
export function sendStream(send: NativeSendStream, open: Set<NativeSendStream>): WritableStream<Uint8Array> {
  open.add(send);
  return new WritableStream<Uint8Array>({
    async write(chunk, controller) {
      try {
        for (let at = 0; at < chunk.byteLength; at += CHUNK_BYTES) {
          if (controller.signal.aborted) return;
          await send.write(chunk.subarray(at, at + CHUNK_BYTES));
        }
      } catch (error) {
        open.delete(send);
        throw translateError(error);
      }
    },
    async close() {
      open.delete(send);
      try {
        await send.finish();
      } catch (error) {
        throw translateError(error);
      }
    },
    async abort(reason) {
      open.delete(send);
      await send.reset(codeOf(reason)).catch(ended);
    },
  });
}

/** Stopping or resetting what has ended already is not a failure. */
export function ended(): void {
  // nothing to do
}
