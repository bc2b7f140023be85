/** What the parts of a connection know of the whole: the ports they need, not the class that has them. */
import type { Clock } from "../clock.ts";
import type { RequestEnd, Role, SessionInput, SessionMachine, StreamHandle } from "../session/types.ts";
import type { MoqtCodec } from "../wire/codec.ts";
import type {
  FetchOkMessage,
  Parameters,
  RequestErrorMessage,
  RequestOkMessage,
  SubscribeOkMessage,
} from "../wire/messages.ts";
import type { Namespace } from "../wire/names.ts";
import type { VarInt } from "../wire/varint.ts";
import type { ObjectSink } from "./connection.ts";
import type { DataReceiver } from "./data-receiver.ts";
import type { WebTransportPort } from "./port.ts";
import type { UnknownAliases } from "./unknown-aliases.ts";

export interface Host {
  readonly codec: MoqtCodec;
  readonly clock: Clock;
  readonly port: WebTransportPort;
  readonly session: SessionMachine;
  readonly role: Role;
  readonly maxObjectBytes: number;
  readonly unknownAliases: UnknownAliases;
  /** Bytes of the peer came. */
  received(): void;
  /** Runs the session machine and carries out what it says. */
  handle(input: SessionInput): void;
  /** Sends it, or drops it when it does not fit (§11.3) or could not be sent within `maxAgeMs`, which may be infinite. */
  sendDatagram(bytes: Uint8Array, maxAgeMs: number): void;
  /** Bytes of control messages that wait on a request's stream. */
  queuedBytes(stream: StreamHandle): number;
  observer(stream: StreamHandle): RequestObserver | undefined;
}

/** The driver's side of one request: told what the session machine decided about it. */
export interface RequestObserver {
  /** Where objects go, for subscriptions and fetches of ours. */
  readonly sink?: ObjectSink;
  readonly fetchOrder?: "ascending" | "descending";
  /** The streams that deliver to `sink` now. */
  readonly receivers?: Set<DataReceiver>;
  onAccepted?(message: SubscribeOkMessage | FetchOkMessage | RequestOkMessage): void;
  onUpdateAnswered?(message: RequestOkMessage | RequestErrorMessage): void;
  onUpdated?(parameters: Parameters): void;
  onNamespace?(added: boolean, suffix: Namespace): void;
  onBlocked?(suffix: Namespace, name: Uint8Array): void;
  onGoaway?(newUri: string, timeoutMs: VarInt): void;
  onEnded(end: RequestEnd): void;
}
