/**
 * Message parameters (draft-18 §10.2): sorted by type, each type a delta to the one before, each value encoded as its type says.
 *
 * A receiver must know every parameter, and which messages it may stand in (§10.2.1); {@link parameterRules} is that knowledge. Where a
 * parameter's place depends on the request that a message answers or updates, the message alone cannot tell: session/scopes.ts does.
 */
import { type Cursor, cursorOver, readSizedBytes, readU8, readVi64, remaining } from "../cursor.ts";
import type { AuthToken, ControlMessage, Parameters, RangeFilter, SubscriptionFilter } from "../messages.ts";
import { addVarInt, MAX_VARINT, subVarInt, type VarInt } from "../varint.ts";
import {
  finish,
  newWriter,
  unencodable,
  type Writer,
  writeBytes,
  writeSizedBytes,
  writeU8,
  writeVi64,
} from "../writer.ts";
import { readLocation, readNamespace, writeLocation, writeNamespace } from "./fields.ts";
import { decodeToken, encodeToken } from "./tokens.ts";
import { clause, malformedMessage, violation } from "./violation.ts";

type MessageType = ControlMessage["type"];
type Mutable<T> = { -readonly [K in keyof T]: T[K] };
export type MutableParameters = Omit<Mutable<Parameters>, "authorizationTokens" | "rangeFilters"> & {
  authorizationTokens?: AuthToken[];
  rangeFilters?: RangeFilter[];
};

/** How one parameter is written and where it may stand. */
export interface ParameterRule {
  readonly name: keyof Parameters;
  readonly type: number;
  readonly section: string;
  readonly messages: readonly MessageType[];
  /** It may stand in one message several times. */
  readonly repeats?: true;
  read(cursor: Cursor, into: MutableParameters): void;
  write(writer: Writer, from: Parameters, type: (writer: Writer) => void): void;
}

/** The names of the parameters whose value is one vi64. */
type NumberName =
  | "objectDeliveryTimeoutMs"
  | "subgroupDeliveryTimeoutMs"
  | "rendezvousTimeoutMs"
  | "fillTimeoutMs"
  | "expiresMs"
  | "newGroupRequest";

function numberRule(
  name: NumberName,
  type: number,
  section: string,
  messages: readonly MessageType[],
): ParameterRule {
  return {
    name,
    type,
    section,
    messages,
    read: (cursor, into) => {
      into[name] = readVi64(cursor, "a parameter");
    },
    write: (writer, from, writeType) => {
      const value = from[name];
      if (value === undefined) return;
      writeType(writer);
      writeVi64(writer, value);
    },
  };
}

const GROUP_ORDERS = { ascending: 1, descending: 2 } as const;
const FILTERS = {
  "next-group-start": 1,
  "largest-object": 2,
  "absolute-start": 3,
  "absolute-range": 4,
} as const;

/** Every parameter of draft-18, in ascending order of type. "request-ok" stands for all its aliases (§10.5). */
export const parameterRules: readonly ParameterRule[] = [
  numberRule("objectDeliveryTimeoutMs", 0x02, "§10.2.4", ["request-ok", "subscribe", "request-update"]),
  {
    name: "authorizationTokens",
    type: 0x03,
    repeats: true,
    section: "§10.2.2",
    messages: [
      "publish",
      "subscribe",
      "request-update",
      "subscribe-namespace",
      "subscribe-tracks",
      "publish-namespace",
      "track-status",
      "fetch",
    ],
    read: (cursor, into) => {
      const token = decodeToken(readSizedBytes(cursor, "an authorization token"));
      into.authorizationTokens ??= [];
      into.authorizationTokens.push(token);
    },
    write: (writer, from, writeType) => {
      for (const token of from.authorizationTokens ?? []) {
        writeType(writer);
        writeSizedBytes(writer, encodeToken(token));
      }
    },
  },
  numberRule("rendezvousTimeoutMs", 0x04, "§10.2.6", ["subscribe"]),
  numberRule("subgroupDeliveryTimeoutMs", 0x06, "§10.2.3", ["request-ok", "subscribe", "request-update"]),
  numberRule("expiresMs", 0x08, "§10.2.10", ["subscribe-ok", "publish", "request-ok"]),
  {
    name: "largestObject",
    type: 0x09,
    section: "§10.2.11",
    messages: ["subscribe-ok", "publish", "request-ok"],
    read: (cursor, into) => {
      into.largestObject = readLocation(cursor, "LARGEST_OBJECT");
    },
    write: (writer, from, writeType) => {
      if (from.largestObject === undefined) return;
      writeType(writer);
      writeLocation(writer, from.largestObject);
    },
  },
  numberRule("fillTimeoutMs", 0x0a, "§10.2.5", ["fetch"]),
  {
    name: "forward",
    type: 0x10,
    section: "§10.2.12",
    messages: ["subscribe", "request-update", "publish", "request-ok", "subscribe-tracks"],
    read: (cursor, into) => {
      const value = readU8(cursor, "FORWARD");
      if (value > 1) throw violation("§10.2.12", `The peer sent FORWARD ${value}; it is 0 or 1.`);
      into.forward = value === 1;
    },
    write: (writer, from, writeType) => {
      if (from.forward === undefined) return;
      writeType(writer);
      writeU8(writer, from.forward ? 1 : 0);
    },
  },
  {
    name: "subscriberPriority",
    type: 0x20,
    section: "§10.2.7",
    messages: ["subscribe", "fetch", "request-update", "request-ok"],
    read: (cursor, into) => {
      into.subscriberPriority = readU8(cursor, "SUBSCRIBER_PRIORITY");
    },
    write: (writer, from, writeType) => {
      if (from.subscriberPriority === undefined) return;
      writeType(writer);
      writeU8(writer, from.subscriberPriority);
    },
  },
  {
    name: "filter",
    type: 0x21,
    section: "§10.2.9",
    messages: ["subscribe", "request-ok", "request-update"],
    read: (cursor, into) => {
      into.filter = decodeFilter(readSizedBytes(cursor, "SUBSCRIPTION_FILTER"));
    },
    write: (writer, from, writeType) => {
      if (from.filter === undefined) return;
      writeType(writer);
      writeSizedBytes(writer, encodeFilter(from.filter));
    },
  },
  {
    name: "groupOrder",
    type: 0x22,
    section: "§10.2.8",
    messages: ["subscribe", "request-ok", "fetch"],
    read: (cursor, into) => {
      const value = readU8(cursor, "GROUP_ORDER");
      if (value !== GROUP_ORDERS.ascending && value !== GROUP_ORDERS.descending) {
        throw violation("§10.2.8", `The peer sent GROUP_ORDER ${value}; it is 1 or 2.`);
      }
      into.groupOrder = value === GROUP_ORDERS.ascending ? "ascending" : "descending";
    },
    write: (writer, from, writeType) => {
      if (from.groupOrder === undefined) return;
      writeType(writer);
      writeU8(writer, GROUP_ORDERS[from.groupOrder]);
    },
  },
  numberRule("newGroupRequest", 0x32, "§10.2.13", ["request-ok", "subscribe", "request-update"]),
  {
    name: "trackNamespacePrefix",
    type: 0x34,
    section: "§10.2.14",
    messages: ["request-update"],
    read: (cursor, into) => {
      into.trackNamespacePrefix = readNamespace(cursor);
    },
    write: (writer, from, writeType) => {
      if (from.trackNamespacePrefix === undefined) return;
      writeType(writer);
      writeNamespace(writer, from.trackNamespacePrefix);
    },
  },
];

/** Number of Parameters and the parameters, checked for `message` by a draft's rules, which are in ascending order of type. */
export function readParameters(
  cursor: Cursor,
  message: MessageType,
  rules: readonly ParameterRule[],
): Parameters {
  const count = readVi64(cursor, "the number of parameters");
  // Each takes at least two bytes: a count beyond that is refused before it is counted to.
  if (count > remaining(cursor) / 2) {
    throw malformedMessage(
      "§10.2",
      `The peer announced ${count} parameters in a message too short for them.`,
    );
  }
  const parameters: MutableParameters = {};
  let type: VarInt = 0;
  for (let i = 0; i < Number(count); i++) {
    const delta = readVi64(cursor, "a parameter type");
    type = addVarInt(type, delta);
    if (type > MAX_VARINT) throw violation("§10.2", "The peer sent a parameter type above 2^64 - 1.");
    const rule = rules.find((candidate) => candidate.type === type);
    if (rule === undefined)
      throw violation("§10.2", `The peer sent the unknown parameter ${type} in ${message}.`);
    if (!rule.messages.includes(message)) {
      throw violation(
        "§10.2.1",
        `The peer sent ${rule.name} in ${message}, where it has no place (${rule.section}).`,
      );
    }
    if (delta === 0 && !rule.repeats) {
      throw violation("§10.2", `The peer sent ${rule.name} twice in one message.`);
    }
    rule.read(cursor, parameters);
  }
  return parameters;
}

/** Number of Parameters and the parameters. Throws "invalid-options" for one that has no place in `message`. */
export function writeParameters(
  writer: Writer,
  parameters: Parameters,
  message: MessageType,
  rules: readonly ParameterRule[],
): void {
  const body = newWriter();
  let count = 0;
  let previous = 0;
  for (const rule of rules) {
    rule.write(body, parameters, (to) => {
      if (!rule.messages.includes(message)) {
        throw unencodable(`${rule.name} has no place in ${message}.`, clause("§10.2.1"));
      }
      writeVi64(to, rule.type - previous);
      previous = rule.type;
      count++;
    });
  }
  const unknown = parameters.rangeFilters && !rules.some((rule) => rule.name === "rangeFilters");
  if (unknown) throw unencodable("This draft has no range filters.", clause("§10.2"));
  writeVi64(writer, count);
  writeBytes(writer, finish(body));
}

function decodeFilter(bytes: Uint8Array): SubscriptionFilter {
  const cursor = cursorOver(bytes, clause("§5.1.2"));
  const type = readVi64(cursor, "a subscription filter");
  const filter = readFilterBody(cursor, type);
  if (remaining(cursor) !== 0)
    throw malformedMessage("§5.1.2", "The peer sent a subscription filter with bytes left over.");
  return filter;
}

function readFilterBody(cursor: Cursor, type: VarInt): SubscriptionFilter {
  if (type === FILTERS["largest-object"]) return { type: "largest-object" };
  if (type === FILTERS["next-group-start"]) return { type: "next-group-start" };
  if (type !== FILTERS["absolute-start"] && type !== FILTERS["absolute-range"]) {
    throw violation("§5.1.2", `The peer sent the unknown subscription filter ${type}.`);
  }
  const start = readLocation(cursor, "a subscription filter");
  if (type === FILTERS["absolute-start"]) return { type: "absolute-start", start };
  const endGroup = addVarInt(start.group, readVi64(cursor, "a subscription filter"));
  if (endGroup > MAX_VARINT)
    throw violation("§5.1.2", "The peer sent a subscription filter that ends above group 2^64 - 1.");
  return { type: "absolute-range", start, endGroup };
}

function encodeFilter(filter: SubscriptionFilter): Uint8Array {
  const writer = newWriter();
  writeVi64(writer, FILTERS[filter.type]);
  if (filter.type === "absolute-start" || filter.type === "absolute-range")
    writeLocation(writer, filter.start);
  if (filter.type === "absolute-range") {
    if (filter.endGroup < filter.start.group) {
      throw unencodable("A subscription filter ends before it starts.", clause("§5.1.2"));
    }
    writeVi64(writer, subVarInt(filter.endGroup, filter.start.group));
  }
  return finish(writer);
}
