/**
 * Requests that came before there is a presentation: held like any resource that does not exist yet, so that the page may attach its `<video>` at once.
 */
import { CountersignError } from "../src/errors.ts";
import type { Presentation } from "../src/playback/presentation.ts";
import type { ResourceRequest, ResourceResponse } from "../src/rpc/protocol.ts";

interface Held {
  readonly request: ResourceRequest;
  readonly resolve: (response: ResourceResponse | Promise<ResourceResponse>) => void;
  readonly reject: (error: CountersignError) => void;
}

export class HeldRequests {
  readonly #held = new Map<number, Held>();

  /** Settles when release(), cancel() or close() says so. */
  hold(request: ResourceRequest): Promise<ResourceResponse> {
    return new Promise((resolve, reject) => this.#held.set(request.id, { request, resolve, reject }));
  }

  /** There is a presentation now: it answers what was held. */
  release(presentation: Presentation): void {
    for (const { request, resolve } of this.#take()) resolve(presentation.resource(request));
  }

  /** Rejects the request with `destroyed`; nothing happens when it is not held. */
  cancel(id: number): void {
    const held = this.#held.get(id);
    this.#held.delete(id);
    held?.reject(canceled());
  }

  close(): void {
    for (const { reject } of this.#take()) reject(canceled());
  }

  #take(): Held[] {
    const all = [...this.#held.values()];
    this.#held.clear();
    return all;
  }
}

function canceled(): CountersignError {
  return new CountersignError("destroyed", "The request was canceled.");
}
