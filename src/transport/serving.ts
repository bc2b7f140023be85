/** What an end of a session that publishes can do beyond one that reads. A player has none of it, and does not download it (connect.ts has, dialing.ts takes it or not). */
import { CountersignError } from "../errors.ts";
import { refusal } from "../session/filters.ts";
import type { RefusalBody, StreamHandle } from "../session/types.ts";
import { requestErrors } from "../wire/codes.ts";
import type { KeyValue, RequestMessage } from "../wire/messages.ts";
import type { Location } from "../wire/names.ts";
import type { VarInt } from "../wire/varint.ts";
import type { PublishedTrack } from "./connection.ts";
import type { Host, RequestObserver } from "./host.ts";

export interface Serving {
  /** Hands a request of the peer to whoever answers it. The observer given to `use` is told what becomes of it; it may be replaced. */
  receive(
    host: Host,
    stream: StreamHandle,
    message: RequestMessage,
    use: (observer: RequestObserver) => void,
  ): void;
  /** A track that we offer by PUBLISH. */
  publish(
    host: Host,
    stream: StreamHandle,
    largest: Location | undefined,
    options: { readonly trackProperties: readonly KeyValue[]; readonly expiresMs: VarInt | undefined },
  ): RequestObserver & { readonly accepted: Promise<PublishedTrack> };
}

/** The end that only reads. */
export const readsOnly: Serving = {
  receive: (host, stream, message) => host.handle({ type: "refuse", stream, refusal: notServed(message) }),
  publish() {
    throw new CountersignError("internal", "This end of the session only reads: open it with connect().");
  },
};

/** The answer to a request that nobody here serves (§10.6). */
export function notServed(message: RequestMessage): RefusalBody {
  return refusal(requestErrors["not-supported"], `${message.type} is not served here`);
}
