/** Stand-ins for the merge's own tests: a signer whose word is a map, objects whose payload names their place. */
import type { GroupTruth, Lookup, SignedEntry, Verified } from "../trust/types.ts";
import { utf8Encode } from "../utf8.ts";
import type { MoqObject } from "../wire/objects.ts";
import type { VarInt } from "../wire/varint.ts";
import type { Judge } from "./track-merger.ts";
import type { Delivery, SourceId } from "./types.ts";

const NO_BYTES = new Uint8Array(0);

export function payloadAt(group: VarInt, object: VarInt): Uint8Array {
  return utf8Encode(`object ${object} of group ${group}`);
}

export function objectAt(
  group: VarInt,
  object: VarInt,
  payload: Uint8Array = payloadAt(group, object),
): MoqObject {
  return { group, object, subgroup: 0, priority: 0, status: "normal", properties: NO_BYTES, payload };
}

/** Junk of the size that is signed for, so that only its digest gives it away. */
export function junkAt(group: VarInt, object: VarInt): MoqObject {
  return objectAt(group, object, payloadAt(group, object).fill(0x21));
}

export function deliveryAt(
  group: VarInt,
  object: VarInt,
  source: SourceId = "a",
): Delivery<Verified<MoqObject>> {
  return { object: objectAt(group, object) as Verified<MoqObject>, source, receivedAtMs: 0 };
}

export function truthOf(group: VarInt, objects: readonly VarInt[], complete: boolean): GroupTruth {
  return {
    group,
    entries: objects.map((object) => ({
      object,
      size: payloadAt(group, object).byteLength,
      leaf: payloadAt(group, object),
    })),
    completion: complete ? { objectCount: objects.length, root: NO_BYTES } : undefined,
  };
}

export class FakeJudge implements Judge<Verified<MoqObject>> {
  readonly #truths = new Map<VarInt, GroupTruth>();
  readonly #listeners = new Set<(truth: GroupTruth) => void>();
  /** Verifications under way; empty unless `manual`. */
  readonly waiting: { readonly object: MoqObject; readonly finish: () => void; readonly fail: () => void }[] =
    [];
  verifications = 0;
  manual = false;

  sign(group: VarInt, objects: readonly VarInt[], complete = false): GroupTruth {
    const truth = truthOf(group, objects, complete);
    this.#truths.set(group, truth);
    for (const listener of [...this.#listeners]) listener(truth);
    return truth;
  }

  truth(group: VarInt): GroupTruth | undefined {
    return this.#truths.get(group);
  }

  lookup(group: VarInt, object: VarInt): Lookup {
    const truth = this.#truths.get(group);
    const entry = truth?.entries.find((each) => each.object === object);
    if (entry !== undefined) return { state: "signed", entry };
    return { state: truth?.completion === undefined ? "waiting" : "unsigned" };
  }

  verify(object: MoqObject, entry: SignedEntry): Promise<Verified<MoqObject> | undefined> {
    this.verifications++;
    const good = object.payload.every((byte, i) => byte === entry.leaf[i]);
    const verdict = good ? (object as Verified<MoqObject>) : undefined;
    if (!this.manual) return Promise.resolve(verdict);
    return new Promise((resolve, reject) => {
      this.waiting.push({
        object,
        finish: () => resolve(verdict),
        fail: () => reject(new Error("no crypto today")),
      });
    });
  }

  on(_type: "truth", listener: (truth: GroupTruth) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }
}
