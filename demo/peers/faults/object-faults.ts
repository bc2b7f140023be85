/** Lies about objects: what goes into a subgroup or fetch stream is not what came from upstream. */
import type {
  FetchWriter,
  IncomingFetch,
  IncomingSubscribe,
  PublishedTrack,
  SubgroupWriter,
} from "../../../src/transport/connection.ts";
import { trackKey } from "../../../src/wire/names.ts";
import type { MoqObject } from "../../../src/wire/objects.ts";
import { addVarInt } from "../../../src/wire/varint.ts";
import type { FaultSwitch } from "./fault.ts";

/** How long the good copy waits behind the junk one. */
const JUNK_LEAD_MS = 60;

/** How many objects back `replay` reaches. */
const REPLAY_DEPTH = 30;

/** Manifest and catalog tracks are passed through: these relays lie about media. */
function isMedia(name: Uint8Array): boolean {
  const text = new TextDecoder().decode(name);
  return !text.endsWith(".manifest") && text !== "catalog";
}

/** Objects seen lately by track key, for `replay` and `foreign`. */
export class ObjectMemory {
  readonly #recent = new Map<string, MoqObject[]>();

  remember(key: string, object: MoqObject): void {
    let list = this.#recent.get(key);
    if (!list) {
      list = [];
      this.#recent.set(key, list);
    }
    list.push(object);
    if (list.length > REPLAY_DEPTH * 4) list.shift();
  }

  old(key: string): MoqObject | undefined {
    const list = this.#recent.get(key) ?? [];
    return list[list.length - REPLAY_DEPTH];
  }

  /** The latest object of a track of the same name in another namespace. */
  foreign(key: string): MoqObject | undefined {
    const name = key.slice(key.lastIndexOf("--"));
    for (const [other, list] of this.#recent) {
      if (other !== key && other.endsWith(name)) return list[list.length - 1];
    }
    return undefined;
  }
}

function altered(object: MoqObject): MoqObject {
  const payload = object.payload.slice();
  const at = payload.byteLength >> 1;
  payload[at] = (payload[at] ?? 0) ^ 0xff;
  return { ...object, payload };
}

/** The same ones at every relay, so that none can stand in for another: only a fetch gets them. */
function isLeftOut({ object }: MoqObject): boolean {
  return Number(object) % 3 === 1;
}

/** How many made-up objects come with each good one, and how far ahead. */
const FLOOD_OBJECTS = 8;
const FLOOD_GROUPS_AHEAD = 50;
const FLOOD_BYTES = 4_000;

function farAhead(object: MoqObject): MoqObject {
  const id = Math.floor(Math.random() * 1_000_000);
  const group = addVarInt(object.group, FLOOD_GROUPS_AHEAD);
  return { ...object, group, object: id, payload: new Uint8Array(FLOOD_BYTES).fill(id) };
}

interface Outgoing {
  readonly object: MoqObject;
  /** On a subgroup stream of its own, this much later. */
  readonly afterMs?: number;
}

function tamper(object: MoqObject, key: string, faults: FaultSwitch, memory: ObjectMemory): Outgoing[] {
  switch (faults.current) {
    case "alter":
      return [{ object: altered(object) }];
    case "junk-first":
      return [{ object: altered(object) }, { object, afterMs: JUNK_LEAD_MS }];
    case "move":
      return [{ object: { ...object, object: addVarInt(object.object, 1) } }];
    case "replay":
      return [{ object: { ...object, payload: memory.old(key)?.payload ?? altered(object).payload } }];
    case "foreign":
      return [{ object: { ...object, payload: memory.foreign(key)?.payload ?? altered(object).payload } }];
    case "unsigned":
      return [{ object }, { object: { ...object, object: addVarInt(object.object, 1000) }, afterMs: 0 }];
    case "skip":
      return Number(object.object) % 5 === 2 ? [] : [{ object }];
    case "flood":
      return [
        { object },
        ...Array.from({ length: FLOOD_OBJECTS }, () => ({ object: farAhead(object), afterMs: 0 })),
      ];
    case "withhold":
      return [];
    default:
      return [{ object }];
  }
}

export function tamperSubscribe(
  request: IncomingSubscribe,
  faults: FaultSwitch,
  memory: ObjectMemory,
): IncomingSubscribe {
  if (!isMedia(request.track.name)) return request;
  const key = trackKey(request.track);
  return {
    track: request.track,
    requestId: request.requestId,
    parameters: request.parameters,
    accept: (answer) => tamperPublished(request.accept(answer), key, faults, memory),
    reject: (rejection) => request.reject(rejection),
  };
}

function tamperPublished(
  published: PublishedTrack,
  key: string,
  faults: FaultSwitch,
  memory: ObjectMemory,
): PublishedTrack {
  // A second, made-up subgroup carries what cannot follow in order on the stream proper.
  let nextSubgroup = 1_000_000;
  return {
    get forward() {
      return published.forward;
    },
    get filter() {
      return published.filter;
    },
    get onUpdate() {
      return published.onUpdate;
    },
    set onUpdate(listener) {
      published.onUpdate = listener;
    },
    cancelled: published.cancelled,
    wants: (location) => published.wants(location),
    sendDatagram: (object, endOfGroup) => published.sendDatagram(object, endOfGroup),
    done: (statusCode, reason) => published.done(statusCode, reason),
    async openSubgroup(header) {
      const inner = await published.openSubgroup(header);
      const aside = async (object: MoqObject, afterMs: number): Promise<void> => {
        await new Promise((resolve) => setTimeout(resolve, afterMs));
        const subgroup = nextSubgroup++;
        const writer = await published.openSubgroup({
          ...header,
          group: object.group,
          subgroup,
          firstObject: false,
          endOfGroup: false,
        });
        await writer.write({ ...object, subgroup });
        await writer.close();
      };
      let last: MoqObject["object"] | undefined;
      const writer: SubgroupWriter = {
        async write(object) {
          memory.remember(key, object);
          if (faults.current === "gaps" && isLeftOut(object)) return;
          for (const out of tamper(object, key, faults, memory)) {
            if (out.afterMs !== undefined) {
              void aside(out.object, out.afterMs).catch(() => undefined);
            } else if (last === undefined || out.object.object > last) {
              last = out.object.object;
              await inner.write(out.object);
            }
          }
        },
        close: () => inner.close(),
        reset: (code) => inner.reset(code),
      };
      return writer;
    },
  };
}

export function tamperFetch(
  request: IncomingFetch,
  faults: FaultSwitch,
  memory: ObjectMemory,
): IncomingFetch {
  if (!isMedia(request.track.name)) return request;
  const key = trackKey(request.track);
  return {
    track: request.track,
    start: request.start,
    end: request.end,
    parameters: request.parameters,
    cancelled: request.cancelled,
    reject: (rejection) => request.reject(rejection),
    async accept(answer) {
      const inner = await request.accept(answer);
      let previous: Uint8Array | undefined;
      const writer: FetchWriter = {
        async write(object) {
          const { group, object: id, payload } = object;
          // A fetch answers in order, once, with the ids that were asked for: only the lie itself is told, not what would come aside, and
          // what is moved is the payload.
          const out = tamper(object, key, faults, memory)[0];
          const moved = faults.current === "move" ? { payload: previous ?? altered(object).payload } : {};
          previous = payload;
          if (out) await inner.write({ ...out.object, ...moved, group, object: id });
        },
        gap: (gap) => inner.gap(gap),
        close: () => inner.close(),
        reset: (code) => inner.reset(code),
        cancelled: inner.cancelled,
      };
      return writer;
    },
  };
}
