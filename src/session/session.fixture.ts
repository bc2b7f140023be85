/** A session machine with a peer made of messages, for the tests beside this file. */
import type { CountersignError } from "../errors.ts";
import type { MoqtCodec } from "../wire/codec.ts";
import { draft18 } from "../wire/draft18/index.ts";
import type { ControlMessage, Parameters, RequestMessage, SetupMessage } from "../wire/messages.ts";
import { type FullTrackName, namespaceOf, trackOf } from "../wire/names.ts";
import { Session } from "./session.ts";
import type { Role, SessionAction, SessionInput, StreamHandle } from "./types.ts";

export const broadcast = namespaceOf("example.com", "live");
export const video: FullTrackName = trackOf(broadcast, "video");
export const audio: FullTrackName = trackOf(broadcast, "audio");

type Of<T extends SessionAction["type"]> = Extract<SessionAction, { type: T }>;

export class Bench {
  readonly session: Session;
  readonly actions: SessionAction[] = [];
  #stream = 100;
  #peerId: number;

  constructor(
    role: Role,
    {
      setup = true,
      codec = draft18,
      peer = {},
    }: { setup?: boolean; codec?: MoqtCodec; peer?: Partial<SetupMessage> } = {},
  ) {
    const { capabilities } = codec;
    this.session = new Session({ role, capabilities, requestTimeoutMs: 10_000, setupTimeoutMs: 5_000 });
    this.#peerId = role === "client" ? 1 : 0;
    this.do({ type: "start", setup: { maxAuthTokenCacheSize: 16_384 } });
    if (setup) this.do({ type: "control-message", message: { ...peer, type: "setup" } });
  }

  /** Feeds an input; returns and remembers what came of it. */
  do(input: SessionInput): readonly SessionAction[] {
    const actions = this.session.handle(input);
    this.actions.push(...actions);
    return actions;
  }

  /** The peer begins a request; its id is the next in order unless given. */
  peerRequest(message: Record<string, unknown> & { type: RequestMessage["type"] }): StreamHandle {
    const stream = this.#stream++;
    const requestId = this.#peerId;
    this.#peerId += 2;
    this.do({
      type: "request-opened",
      stream,
      message: { requestId, parameters: {}, ...message } as unknown as RequestMessage,
    });
    return stream;
  }

  get nextPeerId(): number {
    const id = this.#peerId;
    this.#peerId += 2;
    return id;
  }

  /** The peer says something on a request's stream. */
  says(stream: StreamHandle, message: ControlMessage): readonly SessionAction[] {
    return this.do({ type: "request-message", stream, message });
  }

  subscribe(track = video, parameters: Parameters = {}): StreamHandle {
    const stream = this.#stream++;
    this.do({ type: "open", stream, request: { type: "subscribe", track, parameters } });
    return stream;
  }

  /** A subscription of ours that the peer has accepted. */
  subscribed(track = video, trackAlias = 7): StreamHandle {
    const stream = this.subscribe(track);
    this.says(stream, { type: "subscribe-ok", trackAlias, parameters: {}, trackProperties: [] });
    return stream;
  }

  open(request: Extract<SessionInput, { type: "open" }>["request"]): StreamHandle {
    const stream = this.#stream++;
    this.do({ type: "open", stream, request });
    return stream;
  }

  all<T extends SessionAction["type"]>(type: T): Of<T>[] {
    return this.actions.filter((action): action is Of<T> => action.type === type);
  }

  last<T extends SessionAction["type"]>(type: T): Of<T> | undefined {
    return this.all(type).at(-1);
  }

  /** The last message sent on a stream. */
  sent(stream: StreamHandle): ControlMessage | undefined {
    return this.all("send")
      .filter((action) => action.stream === stream)
      .at(-1)?.message;
  }

  ended(stream: StreamHandle) {
    return this.all("ended").filter((action) => action.stream === stream);
  }

  /** With what the session closed: the protocol code and the section of the draft. */
  get closing():
    | { code: number; section: string | undefined; error: CountersignError | undefined }
    | undefined {
    const closed = this.last("closed");
    return (
      closed && { code: closed.code, section: closed.error?.section?.split(" ").at(-1), error: closed.error }
    );
  }
}

export const requestOk: ControlMessage = { type: "request-ok", parameters: {}, trackProperties: [] };

export function requestError(errorCode = 0x10, retryInterval = 0): ControlMessage {
  return { type: "request-error", errorCode, retryInterval, reason: "no" };
}
