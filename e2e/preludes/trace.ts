/**
 * Runs in the player's worker before anything of the player: tells the page, over a channel of its own, what a merger delivers and which sessions are
 * opened. Deliveries are read where every part of the player hears of them, so what is seen here is what playback and store see.
 */
import { Emitter } from "../../src/events.ts";
import type { Delivery } from "../../src/merge/types.ts";
import type { MoqObject } from "../../src/wire/objects.ts";

// The page gave this worker a name that no other page knows.
const channel = new BroadcastChannel(self.name);

const mergers = new Map<object, number>();

function numberOf(emitter: object): number {
  let number = mergers.get(emitter);
  if (number === undefined) {
    number = mergers.size;
    mergers.set(emitter, number);
  }
  return number;
}

function isDelivery(event: unknown): event is Delivery<MoqObject> {
  return typeof event === "object" && event !== null && "receivedAtMs" in event && "source" in event;
}

async function tell(
  type: "delivered" | "repair",
  merger: number,
  delivery: Delivery<MoqObject>,
): Promise<void> {
  const atMs = Date.now();
  const { group, object, payload } = delivery.object;
  const place = { group: Number(group), object: Number(object) };
  // Digesting takes a moment; the bytes are hashed as they are now, whatever becomes of them.
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", payload.slice()));
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  channel.postMessage({ type, merger, ...place, digest: hex, source: delivery.source, atMs });
}

const emit = Emitter.prototype.emit;
Emitter.prototype.emit = function (this: Emitter<object>, type: never, event: never): void {
  const name: unknown = type;
  // The sequencer's "object" has the same shape; a merger's two events are the ones before it.
  if ((name === "delivered" || name === "repair") && isDelivery(event))
    void tell(name, numberOf(this), event);
  emit.call(this, type, event);
};

if (typeof WebTransport === "function") {
  globalThis.WebTransport = new Proxy(WebTransport, {
    construct(target, args: [string, WebTransportOptions?]) {
      channel.postMessage({ type: "session", url: args[0] });
      return new target(...args);
    },
  });
}
