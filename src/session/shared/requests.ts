/** The requests of a session whose control stream they all share: which handle of the machine stands for which id on the wire. */

import type { Parameters, RequestMessage } from "../../wire/messages.ts";
import { type Namespace, namespaceKey } from "../../wire/names.ts";
import type { Answer } from "../../wire/shared-messages.ts";
import type { VarInt } from "../../wire/varint.ts";
import type { FilterRange } from "../filters.ts";
import type { StreamHandle } from "../types.ts";

export interface SharedRequest {
  readonly stream: StreamHandle;
  readonly ours: boolean;
  /** With the machine's own request id. */
  readonly message: RequestMessage;
  /** Undefined while a request of ours waits for credit. The peer's are the same in the machine. */
  wireId: VarInt | undefined;
  /** It has a bidirectional stream of its own (draft-16's SUBSCRIBE_NAMESPACE). */
  readonly ownStream: boolean;
  answered: boolean;
  /** The peer ended it: nothing needs to be said any more. */
  withdrawn: boolean;
  /** Ids of the peer's updates that wait for our answers, oldest first. */
  readonly updatesIn: VarInt[];
  /** SUBSCRIBE of ours: all that later updates have to repeat where the draft wants it (14). */
  parameters: Parameters;
  range: FilterRange | undefined;
  /** SUBSCRIBE_NAMESPACE of ours: suffixes that came before its answer. */
  readonly early: Namespace[];
}

export class SharedRequests {
  readonly #byStream = new Map<StreamHandle, SharedRequest>();
  readonly #byWireId = new Map<VarInt, SharedRequest>();
  /** Updates of ours that wait for answers, by their id. */
  readonly #updates = new Map<VarInt, StreamHandle>();

  add(
    request: Pick<SharedRequest, "stream" | "ours" | "message" | "ownStream"> & { readonly wireId?: VarInt },
  ): SharedRequest {
    const added: SharedRequest = {
      ...request,
      wireId: undefined,
      answered: false,
      withdrawn: false,
      updatesIn: [],
      parameters: request.message.parameters,
      range: undefined,
      early: [],
    };
    this.#byStream.set(request.stream, added);
    if (request.wireId !== undefined) this.named(added, request.wireId);
    return added;
  }

  named(request: SharedRequest, wireId: VarInt): void {
    request.wireId = wireId;
    this.#byWireId.set(wireId, request);
  }

  /** False when it was gone already. */
  remove(request: SharedRequest): boolean {
    if (request.wireId !== undefined) this.#byWireId.delete(request.wireId);
    for (const [id, stream] of this.#updates) if (stream === request.stream) this.#updates.delete(id);
    return this.#byStream.delete(request.stream);
  }

  at(stream: StreamHandle): SharedRequest | undefined {
    return this.#byStream.get(stream);
  }

  byWireId(id: VarInt): SharedRequest | undefined {
    return this.#byWireId.get(id);
  }

  /** A request of ours by the id that the machine gave it. */
  ownByMachineId(id: VarInt): SharedRequest | undefined {
    return this.find((request) => request.ours && request.message.requestId === id);
  }

  find(wanted: (request: SharedRequest) => boolean): SharedRequest | undefined {
    for (const request of this.#byStream.values()) if (wanted(request)) return request;
    return undefined;
  }

  updating(id: VarInt, stream: StreamHandle): void {
    this.#updates.set(id, stream);
  }

  /** The request whose update has this id; it counts as answered from now on. */
  takeUpdate(id: VarInt): StreamHandle | undefined {
    const stream = this.#updates.get(id);
    this.#updates.delete(id);
    return stream;
  }

  clear(): void {
    this.#byStream.clear();
    this.#byWireId.clear();
    this.#updates.clear();
  }
}

export function sameNamespace(a: Namespace, b: Namespace): boolean {
  return namespaceKey(a) === namespaceKey(b);
}

/** What REQUEST_OK may carry for this request: elsewhere old drafts have parameters ignored, where newer ones end the session. */
export function answerInScope(answer: Answer, request: RequestMessage["type"] | "request-update"): Answer {
  if (answer.type !== "request-ok" || request === "publish") return answer;
  const { expiresMs, largestObject } = answer.parameters;
  const told = request === "track-status" || request === "request-update";
  const parameters: Parameters = {
    ...(told && expiresMs !== undefined && { expiresMs }),
    ...(told && largestObject && { largestObject }),
  };
  return { ...answer, parameters, trackProperties: request === "track-status" ? answer.trackProperties : [] };
}

/** Likewise for REQUEST_UPDATE. */
export function updateInScope(parameters: Parameters, request: RequestMessage["type"]): Parameters {
  if (request === "subscribe" || request === "publish") return parameters;
  const { authorizationTokens, subscriberPriority, forward } = parameters;
  return {
    ...(authorizationTokens && { authorizationTokens }),
    ...(request === "fetch" && subscriberPriority !== undefined && { subscriberPriority }),
    ...(request === "subscribe-tracks" && forward !== undefined && { forward }),
  };
}
