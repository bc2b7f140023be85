/** The parsers of MOQT: control messages in both contexts, data streams, datagrams, properties and names. */
import { utf8DecodeLossy } from "../../utf8.ts";
import type { MoqtCodec, SharedControlCodec } from "../../wire/codec.ts";
import { everyCodec } from "../../wire/every-codec.ts";
import type { ControlMessage } from "../../wire/messages.ts";
import { namespaceKey, parseNamespaceKey, parseTrackKey, trackKey } from "../../wire/names.ts";
import type { DataStreamSink } from "../../wire/objects.ts";
import {
  encodeProperties,
  immutablePropertiesOf,
  inspectObjectProperties,
  parseKeyValues,
  parseObjectProperties,
} from "../../wire/properties.ts";
import type { SharedMessage } from "../../wire/shared-messages.ts";
import type { Chance } from "./chance.ts";
import { datagramBytes, dataStreamBytes, objectProperties } from "./data-streams.ts";
import type { FuzzTarget } from "./engine.ts";
import { concat, demand, demandSame, judge } from "./judge.ts";
import { anyValues, MESSAGE_TYPES, messageOf } from "./messages.ts";
import { mutate } from "./mutate.ts";
import { sharedMessage } from "./shared-messages.ts";

/** A cap below some of the objects made, so that the cap, too, is met. */
const MAX_OBJECT_BYTES = 2_000;

const CONTROL_ONLY: readonly ControlMessage["type"][] = ["setup"];

interface Seen {
  readonly messages: ControlMessage[];
  readonly end: unknown;
}

function decodeAll(codec: MoqtCodec, context: "control" | "request", pieces: readonly Uint8Array[]): Seen {
  const messages: ControlMessage[] = [];
  const decoder = codec.controlDecoder(context);
  const { error } = judge(() => {
    for (const piece of pieces) {
      decoder.push(piece);
      for (let next = decoder.next(); next; next = decoder.next()) messages.push(next);
    }
  });
  return { messages, end: error ?? decoder.idle };
}

function controlTarget(codec: MoqtCodec, context: "control" | "request"): FuzzTarget {
  const types = MESSAGE_TYPES.filter((type) =>
    context === "control" ? CONTROL_ONLY.includes(type) || type === "goaway" : !CONTROL_ONLY.includes(type),
  );
  const encode = (message: ControlMessage) =>
    message.type === "setup" ? codec.encodeSetup(message, "client") : codec.encodeMessage(message);
  return {
    name: `${codec.version} ${context} messages`,
    run(chance) {
      const values = anyValues(chance, codec.capabilities.rangeFilters);
      // A draft that has no place for one of its parameters says so; any other error is found.
      const sent = chance
        .list(3, () => messageOf(values, chance.pick(types)))
        .filter((message) => judge(() => encode(message), ["invalid-options"]).error === undefined);
      if (context === "control") sent.unshift(messageOf(values, "setup"));
      const parts = sent.map(encode);
      const whole = concat(parts);
      const bytes = chance.maybe(0.25) ? whole : mutate(chance, whole, parts);
      const seen = decodeAll(codec, context, [bytes]);
      demandSame(seen, decodeAll(codec, context, chance.cut(bytes, 40)), "another chunking");
      if (bytes === whole && sent.length === 1) demandSame(seen, { messages: sent, end: true }, "round trip");
      for (const message of seen.messages) {
        // What was read can be said again, and then means the same.
        const { value: again } = judge(() => encode(message), ["invalid-options"]);
        if (again === undefined) continue;
        const head =
          context === "control" && message.type !== "setup"
            ? [codec.encodeSetup({ type: "setup" }, "client")]
            : [];
        const back = decodeAll(codec, context, [...head, again]).messages.at(-1);
        demand(back !== undefined, `${message.type} cannot be read back`);
        demandSame(encode(back), again, "said again");
      }
    },
  };
}

/** A control stream that all requests share. What it says is read as newer drafts would have said it, so it is compared when said again. */
function sharedTarget(codec: MoqtCodec, shared: SharedControlCodec): FuzzTarget {
  const decodeShared = (peer: "client" | "server", pieces: readonly Uint8Array[]) => {
    const messages: SharedMessage[] = [];
    const decoder = shared.decoder(peer);
    const { error } = judge(() => {
      for (const piece of pieces) {
        decoder.push(piece);
        for (let next = decoder.next(); next; next = decoder.next()) messages.push(next);
      }
    });
    return { messages, end: error ?? decoder.idle };
  };
  return {
    name: `${codec.version} control messages`,
    run(chance) {
      chance.integerBits = 62;
      const role = chance.pick(["client", "server"] as const);
      const values = anyValues(chance);
      const encode = (message: SharedMessage) =>
        judge(() => shared.encode(message, role), ["invalid-options"]).value;
      const parts = chance
        .list(4, () => encode(sharedMessage(values)))
        .filter((bytes) => bytes !== undefined);
      const whole = concat(parts);
      const bytes = chance.maybe(0.25) ? whole : mutate(chance, whole, parts);
      const seen = decodeShared(role, [bytes]);
      demandSame(seen, decodeShared(role, chance.cut(bytes, 40)), "another chunking");
      if (bytes === whole) demandSame(seen.end, true, "what was written can be read");
      for (const message of seen.messages) {
        // An answer that does not say what it answers is said as one to an update, where the draft has that.
        const said =
          message.type === "answer" ? { ...message, to: message.to ?? ("request-update" as const) } : message;
        const again = encode(said);
        if (again === undefined) continue;
        const [back] = decodeShared(role, [again]).messages;
        demand(back !== undefined, `${message.type} cannot be read back`);
        const backSaid =
          back.type === "answer" ? { ...back, to: back.to ?? ("request-update" as const) } : back;
        demandSame(encode(backSaid), again, "said again");
      }
    },
  };
}

interface StreamEvents {
  readonly events: unknown[];
  payloadBytes: number;
}

function decodeStream(
  codec: MoqtCodec,
  order: "ascending" | "descending",
  refuse: number,
  pieces: readonly Uint8Array[],
): { told: StreamEvents; end: unknown } {
  const told: StreamEvents = { events: [], payloadBytes: 0 };
  const tell = (kind: string, what: unknown) => void told.events.push({ kind, what });
  const sink: DataStreamSink = {
    subgroup: (header) => tell("subgroup", header),
    fetch: (id) => tell("fetch", id),
    fetchOrder: () => order,
    accept: (start) => {
      tell("start", start);
      return refuse === 0 || Number(start.object) % refuse !== 0;
    },
    object: (object) => {
      told.payloadBytes += object.payload.byteLength + object.properties.byteLength;
      tell("object", object);
    },
    gap: (gap) => tell("gap", gap),
  };
  const decoder = codec.dataStreamDecoder(sink, MAX_OBJECT_BYTES);
  const { error } = judge(() => {
    for (const piece of pieces) decoder.push(piece);
    decoder.finish();
  });
  return { told, end: error };
}

function dataStreamTarget(codec: MoqtCodec): FuzzTarget {
  return {
    name: `${codec.version} data streams`,
    run(chance) {
      const order = chance.pick(["ascending", "descending"] as const);
      const parts = dataStreamBytes(chance, codec, order);
      const whole = concat(parts);
      const bytes = chance.maybe(0.2) ? whole : mutate(chance, whole, parts);
      const refuse = chance.below(4);
      judge(() => codec.peekUniStream(bytes));
      const seen = decodeStream(codec, order, refuse, [bytes]);
      demandSame(seen, decodeStream(codec, order, refuse, chance.cut(bytes, 60)), "another chunking");
      demand(seen.told.payloadBytes <= bytes.byteLength, "more was told than was sent");
    },
  };
}

function datagramTarget(codec: MoqtCodec): FuzzTarget {
  return {
    name: `${codec.version} datagrams`,
    run(chance) {
      const valid = datagramBytes(chance, codec);
      const bytes = chance.maybe(0.2) ? valid : mutate(chance, valid);
      const { value } = judge(() => codec.decodeDatagram(bytes));
      if (value?.type !== "object") return;
      const { trackAlias, object, endOfGroup } = value;
      const again = codec.encodeDatagram(trackAlias, object, endOfGroup);
      demandSame(codec.decodeDatagram(again), value, "said again");
    },
  };
}

const properties: FuzzTarget = {
  name: "properties",
  run(chance) {
    const valid = objectProperties(chance);
    const bytes = chance.maybe(0.2) ? valid : mutate(chance, valid, [objectProperties(chance)]);
    const { value: pairs } = judge(() => parseKeyValues(bytes));
    const { value: ofObject, error } = judge(() => parseObjectProperties(bytes));
    demand((pairs === undefined) === (ofObject === undefined), "one of two readers of one list refuses it");
    const immutable = judge(() => immutablePropertiesOf(bytes)).value;
    const inspected = judge(() => inspectObjectProperties(bytes, chance.varInt(), chance.varInt()));
    if (error) demand(inspected.error !== undefined, "a list that cannot be parsed passed inspection");
    if (immutable) demand(immutable.buffer === bytes.buffer, "immutable properties were copied");
    if (pairs) demandSame(parseKeyValues(encodeProperties(pairs)), pairs, "said again");
  },
};

const names: FuzzTarget = {
  name: "names",
  run(chance: Chance) {
    const values = anyValues(chance);
    const namespace = values.namespace();
    const track = { namespace, name: values.name() };
    const valid = chance.maybe() ? trackKey(track) : namespaceKey(namespace);
    const text = utf8DecodeLossy(mutate(chance, new TextEncoder().encode(valid)));
    demandSame(parseNamespaceKey(namespaceKey(namespace)), namespace, "round trip of a namespace");
    if (namespace.length > 0) demandSame(parseTrackKey(trackKey(track)), track, "round trip of a track");
    const read = judge(() => parseTrackKey(text)).value;
    if (read) demand(trackKey(read) === text, `${text} is a second form of one name`);
    const readNamespace = judge(() => parseNamespaceKey(text)).value;
    if (readNamespace)
      demand(namespaceKey(readNamespace) === text, `${text} is a second form of one namespace`);
  },
};

export const wireTargets: readonly FuzzTarget[] = [
  ...everyCodec.flatMap((codec) => [
    ...(codec.shared
      ? [sharedTarget(codec, codec.shared)]
      : [controlTarget(codec, "control"), controlTarget(codec, "request")]),
    dataStreamTarget(codec),
    datagramTarget(codec),
  ]),
  properties,
  names,
];
