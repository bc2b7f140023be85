/** Stream reset codes, in and out of WebTransport. The W3C puts them into WebTransportError.streamErrorCode; not every host has that class. */
import { CountersignError } from "../errors.ts";
import { streamResetName } from "../wire/codes.ts";

/** What `abort` and `cancel` are given when the host has no WebTransportError of its own (Node, the in-memory transport). */
export class StreamErrorReason extends Error {
  override readonly name = "StreamErrorReason";
  readonly source = "stream";
  readonly streamErrorCode: number;

  constructor(code: number) {
    super(`stream error ${code}`);
    this.streamErrorCode = code;
  }
}

interface ErrorHost {
  readonly WebTransportError?: new (
    message: string,
    options: { streamErrorCode: number; source: "stream" },
  ) => Error;
}

/** A reason for `abort` or `cancel` that carries `code` to the peer where the host can: browsers take it from their own class only. */
export function streamErrorReason(code: number): Error {
  const { WebTransportError: Host } = globalThis as unknown as ErrorHost;
  if (Host) {
    try {
      return new Host(`stream error ${code}`, { streamErrorCode: code, source: "stream" });
    } catch {
      // An older constructor signature: the code is lost, the reset is not.
    }
  }
  return new StreamErrorReason(code);
}

/** The code the peer gave, where the platform tells. */
export function streamErrorCode(thrown: unknown): number | undefined {
  const code = (thrown as { streamErrorCode?: unknown } | null | undefined)?.streamErrorCode;
  return typeof code === "number" ? code : undefined;
}

/** True when a stream failed because its whole session ended: the session says why, not this error. */
export function isSessionError(thrown: unknown): boolean {
  return (thrown as { source?: unknown } | null | undefined)?.source === "session";
}

/** A reset as the app sees it. */
export function streamResetError(what: string, thrown: unknown): CountersignError {
  const code = streamErrorCode(thrown);
  const why = code === undefined ? "" : `: ${streamResetName(code)}`;
  return new CountersignError("stream-reset", `${what} was reset${why}.`, {
    section: "draft-ietf-moq-transport-18 §3.3.3",
    cause: thrown,
    ...(code !== undefined && { protocolCode: code }),
  });
}

/** Marks a promise's rejection as seen, for promises that callers may, but need not, await. */
export function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(ignore);
  return promise;
}

/** For rejections that say nothing new: the stream or session they belong to reports its end elsewhere. */
export function ignore(): void {
  // Nothing to do, on purpose.
}
