/** Valid control messages by chance: what the codec's and the session's targets start from. */
import type {
  AuthToken,
  ControlMessage,
  KeyValue,
  Parameters,
  RangeFilter,
  RequestMessage,
  SubscriptionFilter,
} from "../../wire/messages.ts";
import {
  compareLocations,
  type FullTrackName,
  type Location,
  type Namespace,
  namespaceOf,
} from "../../wire/names.ts";
import { addVarInt, type VarInt } from "../../wire/varint.ts";
import type { Chance } from "./chance.ts";

/** The values that messages are made of. A codec is to meet all there are; a session learns more from few that meet again. */
export interface Values {
  readonly chance: Chance;
  /** The draft has range filters. */
  readonly rangeFilters?: boolean;
  number(): VarInt;
  namespace(): Namespace;
  name(): Uint8Array;
  text(): string;
}

export function anyValues(chance: Chance, rangeFilters = false): Values {
  const field = () => new Uint8Array([chance.below(256), ...chance.bytes(16)]);
  return {
    chance,
    rangeFilters,
    number: () => chance.varInt(),
    namespace: () => (chance.maybe(0.1) ? Array.from({ length: 32 }, field) : chance.list(4, field)),
    name: () => chance.bytes(20),
    text: () =>
      chance.pick(["", "a", "https://relay.test/path", "zu viel, später", "日本", "x".repeat(1024)]),
  };
}

const NAMES = [
  namespaceOf("a"),
  namespaceOf("a", "b"),
  namespaceOf("a", "c"),
  namespaceOf("."),
  namespaceOf(".session"),
];

/** Few names and small numbers, so that they collide, with a large one now and then. */
export function fewValues(chance: Chance, rangeFilters = false): Values {
  return {
    chance,
    rangeFilters,
    number: () => (chance.maybe(0.97) ? chance.below(7) : chance.varInt()),
    namespace: () => chance.pick(NAMES),
    name: () => new Uint8Array([0x76 + chance.below(2)]),
    text: () => chance.pick(["", "", "https://other.test/"]),
  };
}

type Make = (values: Values) => unknown;

const fieldMakers: { readonly [K in keyof Parameters]-?: Make } = {
  objectDeliveryTimeoutMs: (v) => v.number(),
  subgroupDeliveryTimeoutMs: (v) => v.number(),
  authorizationTokens: (v) => [token(v), ...v.chance.list(1, () => token(v))],
  rendezvousTimeoutMs: (v) => v.number(),
  fillTimeoutMs: (v) => v.number(),
  expiresMs: (v) => v.number(),
  largestObject: location,
  forward: (v) => v.chance.maybe(),
  subscriberPriority: (v) => v.chance.below(256),
  groupOrder: (v) => v.chance.pick(["ascending", "descending"]),
  filter,
  newGroupRequest: (v) => v.number(),
  trackNamespacePrefix: (v) => v.namespace(),
  rangeFilters,
};

/** Of one kind each, as all messages take them that take any; in order of type. */
function rangeFilters(values: Values): RangeFilter[] {
  const { chance } = values;
  return chance.list(3, (): RangeFilter => {
    if (chance.maybe(0.2)) return { kind: "priority", removed: true };
    const first = chance.below(200);
    const second = first + 1 + chance.below(20);
    return {
      kind: "priority",
      setId: chance.below(256),
      ranges: chance.maybe() ? [{ first }] : [{ first, last: first }, { first: second }],
    };
  });
}

const OF_SUBSCRIBER = [
  "objectDeliveryTimeoutMs",
  "subgroupDeliveryTimeoutMs",
  "forward",
  "subscriberPriority",
  "filter",
  "newGroupRequest",
] as const;

/** What each message may carry (draft-18 §10.2.1), as far as the message alone tells. */
const PARAMETERS: Partial<Record<ControlMessage["type"], readonly (keyof Parameters)[]>> = {
  "request-ok": [...OF_SUBSCRIBER, "expiresMs", "largestObject", "groupOrder"],
  subscribe: [...OF_SUBSCRIBER, "authorizationTokens", "rendezvousTimeoutMs", "groupOrder"],
  "subscribe-ok": ["expiresMs", "largestObject"],
  "request-update": [...OF_SUBSCRIBER, "authorizationTokens", "trackNamespacePrefix"],
  publish: ["authorizationTokens", "expiresMs", "largestObject", "forward"],
  fetch: ["authorizationTokens", "fillTimeoutMs", "subscriberPriority", "groupOrder"],
  "track-status": ["authorizationTokens"],
  "publish-namespace": ["authorizationTokens"],
  "subscribe-namespace": ["authorizationTokens"],
  "subscribe-tracks": ["authorizationTokens", "forward"],
};

/** Where draft-19 has range filters, SUBSCRIBE_TRACKS aside. */
const FILTERED: readonly ControlMessage["type"][] = ["subscribe", "fetch", "request-ok", "request-update"];

export function parametersOf(values: Values, type: ControlMessage["type"]): Parameters {
  const made: Record<string, unknown> = {};
  if (values.rangeFilters && FILTERED.includes(type) && values.chance.maybe(0.25)) {
    const filters = rangeFilters(values);
    if (filters.length > 0) made["rangeFilters"] = filters;
  }
  for (const name of PARAMETERS[type] ?? []) {
    if (values.chance.maybe(0.25)) made[name] = fieldMakers[name](values);
  }
  return made as Parameters;
}

function token(values: Values): AuthToken {
  const tokenAlias = values.number();
  const tokenType = values.number();
  const value = values.chance.bytes(40);
  switch (values.chance.below(4)) {
    case 0:
      return { alias: "delete", tokenAlias };
    case 1:
      return { alias: "register", tokenAlias, tokenType, value };
    case 2:
      return { alias: "use-alias", tokenAlias };
    default:
      return { alias: "use-value", tokenType, value };
  }
}

export function location(values: Values): Location {
  return { group: values.number(), object: values.number() };
}

function filter(values: Values): SubscriptionFilter {
  const start = location(values);
  switch (values.chance.below(4)) {
    case 0:
      return { type: "largest-object" };
    case 1:
      return { type: "next-group-start" };
    case 2:
      return { type: "absolute-start", start };
    default: {
      const other = values.number();
      return other < start.group
        ? { type: "absolute-range", start: { ...start, group: other }, endGroup: start.group }
        : { type: "absolute-range", start, endGroup: other };
    }
  }
}

/** Properties nobody gives a meaning, in order of type; now and then one that must be understood. */
export function trackProperties(values: Values): KeyValue[] {
  const { chance } = values;
  const pairs = chance.list(3, (): KeyValue => {
    const type = chance.maybe(0.05) ? 0x4000 + chance.below(8) : 0x80 + chance.below(400);
    return { type, value: type % 2 === 1 ? chance.bytes(30) : chance.varInt() };
  });
  return pairs.sort((a, b) => Number(a.type) - Number(b.type));
}

function track(values: Values): FullTrackName {
  const namespace = values.namespace();
  return { namespace: namespace.length > 0 ? namespace : namespaceOf("a"), name: values.name() };
}

const makers: { readonly [K in ControlMessage["type"]]: Make } = {
  setup: (v) => ({
    ...(v.chance.maybe(0.1) && { path: v.chance.pick(["/", "/a?b=c", ""]) }),
    ...(v.chance.maybe(0.1) && { authority: v.chance.pick(["relay.test", "[::1]:443"]) }),
    ...(v.chance.maybe() && { maxAuthTokenCacheSize: v.number() }),
    ...(v.chance.maybe(0.3) && { authorizationTokens: [token(v)] }),
    ...(v.chance.maybe() && { implementation: "fuzz" }),
  }),
  goaway: (v) => ({ newSessionUri: v.text(), timeoutMs: v.number() }),
  "request-ok": (v) => ({ parameters: parametersOf(v, "request-ok"), trackProperties: trackProperties(v) }),
  "request-error": (v) => {
    const refused = { retryInterval: v.number(), reason: v.text() };
    if (v.chance.maybe(0.3)) {
      const redirect = { connectUri: v.text(), namespace: v.namespace(), name: v.name() };
      return { ...refused, errorCode: 0x34, redirect };
    }
    const errorCode = v.number();
    return { ...refused, errorCode: errorCode === 0x34 ? 0x35 : errorCode };
  },
  subscribe: (v) => ({ requestId: v.number(), track: track(v), parameters: parametersOf(v, "subscribe") }),
  "subscribe-ok": (v) => ({
    trackAlias: v.number(),
    parameters: parametersOf(v, "subscribe-ok"),
    trackProperties: trackProperties(v),
  }),
  "request-update": (v) => ({ requestId: v.number(), parameters: parametersOf(v, "request-update") }),
  publish: (v) => ({
    requestId: v.number(),
    track: track(v),
    trackAlias: v.number(),
    parameters: parametersOf(v, "publish"),
    trackProperties: trackProperties(v),
  }),
  "publish-done": (v) => ({ statusCode: v.number(), streamCount: v.number(), reason: v.text() }),
  fetch: (v) => ({ requestId: v.number(), range: fetchRange(v), parameters: parametersOf(v, "fetch") }),
  "fetch-ok": (v) => ({
    endOfTrack: v.chance.maybe(),
    end: location(v),
    parameters: {},
    trackProperties: trackProperties(v),
  }),
  "track-status": (v) => ({
    requestId: v.number(),
    track: track(v),
    parameters: parametersOf(v, "track-status"),
  }),
  "publish-namespace": (v) => ({
    requestId: v.number(),
    namespace: v.namespace(),
    parameters: parametersOf(v, "publish-namespace"),
  }),
  "subscribe-namespace": (v) => ({
    requestId: v.number(),
    prefix: v.namespace(),
    parameters: parametersOf(v, "subscribe-namespace"),
  }),
  "subscribe-tracks": (v) => ({
    requestId: v.number(),
    prefix: v.namespace(),
    parameters: parametersOf(v, "subscribe-tracks"),
  }),
  namespace: (v) => ({ suffix: v.namespace() }),
  "namespace-done": (v) => ({ suffix: v.namespace() }),
  "publish-blocked": (v) => ({ suffix: v.namespace(), name: v.name() }),
};

function fetchRange(values: Values): unknown {
  if (values.chance.maybe()) {
    const kind = values.chance.pick(["relative-joining", "absolute-joining"]);
    return { kind, joiningRequestId: values.number(), joiningStart: values.number() };
  }
  const a = location(values);
  const b = location(values);
  const [start, last] = compareLocations(a, b) <= 0 ? [a, b] : [b, a];
  // The wire has the last object + 1; the largest id there is has no such form, so it asks for the whole group.
  const object = typeof last.object === "bigint" ? 0 : addVarInt(last.object, 1);
  return { kind: "standalone", track: track(values), start, end: { group: last.group, object } };
}

export const MESSAGE_TYPES = Object.keys(makers) as readonly ControlMessage["type"][];

export const REQUEST_TYPES = [
  "subscribe",
  "publish",
  "fetch",
  "track-status",
  "publish-namespace",
  "subscribe-namespace",
  "subscribe-tracks",
] as const satisfies readonly RequestMessage["type"][];

/** A message that an encoder takes. */
export function messageOf<T extends ControlMessage["type"]>(
  values: Values,
  type: T,
): Extract<ControlMessage, { type: T }> {
  return { type, ...(makers[type](values) as object) } as unknown as Extract<ControlMessage, { type: T }>;
}
