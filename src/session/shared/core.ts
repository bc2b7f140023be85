/** What a session of drafts 14 to 16 knows, and the few operations that its rules share. No rule of these drafts is decided here. */
import type { Capabilities } from "../../wire/codec.ts";
import type { ControlMessage, SetupMessage } from "../../wire/messages.ts";
import type { Namespace } from "../../wire/names.ts";
import type { Answer, AnswerEnvelope, SharedMessage } from "../../wire/shared-messages.ts";
import type { VarInt } from "../../wire/varint.ts";
import type { SessionOptions } from "../core.ts";
import { Session } from "../session.ts";
import type { Role, SessionAction, SessionInput, StreamHandle } from "../types.ts";
import { violation } from "../violations.ts";
import { RequestCredit } from "./credit.ts";
import { type SharedRequest, SharedRequests } from "./requests.ts";

/** What waits for the peer's leave to send another request. */
export interface Waiting {
  /** With which it is given up; undefined for an announcement, which looks for itself when its turn comes. */
  readonly request: SharedRequest | undefined;
  /** Takes an id, or finds that there is nothing to send any more. */
  readonly send: () => void;
}

/** A PUBLISH_NAMESPACE with which we answer a SUBSCRIBE_NAMESPACE of the peer. */
export interface Announcement {
  readonly namespace: Namespace;
  /** Whom it answers. */
  readonly stream: StreamHandle;
  wireId: VarInt | undefined;
}

export class SharedCore {
  readonly machine: Session;
  readonly role: Role;
  readonly capabilities: Capabilities;
  readonly credit: RequestCredit;
  readonly requests = new SharedRequests();
  readonly waiting: Waiting[] = [];
  readonly out: SessionAction[] = [];
  peerSetup = false;
  /** A server's SETUP answers that of the client. */
  heldSetup: SetupMessage | undefined;
  /** The limit at which the peer was last told that we wait. */
  blockedAt: VarInt | undefined;
  /** By namespace. */
  readonly announcements = new Map<string, Announcement>();
  /** PUBLISH_NAMESPACE of the peer that answer a SUBSCRIBE_NAMESPACE of ours, by namespace. */
  readonly diverted = new Map<string, { readonly stream: StreamHandle; readonly suffix: Namespace }>();

  readonly #carryOut: (core: SharedCore, action: SessionAction) => void;
  /** What the machine has yet to be told, because it was found out while its actions were carried out. */
  readonly #toTell: SessionInput[] = [];
  #nextHandle: StreamHandle = -1;

  /** `carryOut` does what the machine wants. */
  constructor(options: SessionOptions, carryOut: (core: SharedCore, action: SessionAction) => void) {
    this.machine = new Session(options);
    this.role = options.role;
    this.capabilities = options.capabilities;
    this.credit = new RequestCredit(options.role);
    this.#carryOut = carryOut;
  }

  /** Hands something to the machine, carries out what it wants, and tells it what came of that. */
  tell(input: SessionInput): void {
    this.#toTell.push(input);
    if (this.#toTell.length > 1) return;
    for (let next = this.#toTell[0]; next; next = this.#toTell[0]) {
      for (const action of this.machine.handle(next)) this.#carryOut(this, action);
      this.#toTell.shift();
    }
  }

  /** Tells the machine that a message came on the stream that the request would have. */
  tellOn(stream: StreamHandle, message: ControlMessage): void {
    this.tell({ type: "request-message", stream, message });
  }

  /** What the machine was yet to be told has no meaning in a session that ends. */
  dropUntold(): void {
    this.#toTell.length = 0;
  }

  act(action: SessionAction): void {
    this.out.push(action);
  }

  send(message: SharedMessage | ControlMessage): void {
    this.act({ type: "send-control", message });
  }

  answer(requestId: VarInt, to: AnswerEnvelope["to"], message: Answer): void {
    this.send({ type: "answer", requestId, to, message });
  }

  /** For a request of the peer that has no stream: below zero, where drivers have none. */
  takeHandle(): StreamHandle {
    return this.#nextHandle--;
  }

  /** Messages cross each other: one about a request that is over changes nothing, one about a request that never was is a fault. */
  mustHaveBeen(requestId: VarInt, what: string): void {
    if (this.credit.issued(requestId) || this.credit.used(requestId)) return;
    throw violation("§10.1", `${what} names request ${requestId}, which does not exist.`);
  }
}
