/** The way of control messages that concern the session: a pair of streams, or the one stream that all requests share. */
import type { ControlMessage } from "../wire/messages.ts";
import type { SharedMessage } from "../wire/shared-messages.ts";
import { ControlStreams } from "./control-streams.ts";
import type { Host } from "./host.ts";
import { SharedControlStream } from "./shared-control-stream.ts";
import type { Timers } from "./timers.ts";

export interface ControlChannel {
  /** Bytes that wait to be sent. */
  readonly queuedBytes: number;
  /** Rejects when the transport cannot open a stream any more. */
  open(): Promise<void>;
  send(message: ControlMessage | SharedMessage): void;
  /** Reads a unidirectional stream that turned out to be the peer's control stream, beginning with the bytes that told so. */
  read?(reader: ReadableStreamDefaultReader<Uint8Array>, first: Uint8Array): Promise<void>;
  destroy(): void;
}

export function controlChannel(host: Host, timers: Timers): ControlChannel {
  const { shared } = host.codec;
  return shared ? new SharedControlStream(host, timers, shared) : new ControlStreams(host, timers);
}
