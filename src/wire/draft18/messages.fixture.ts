/** Arbitrary messages, for the property tests of the drafts that share them. */
import fc from "fast-check";
import type { AuthToken, ControlMessage, KeyValue, Parameters } from "../messages.ts";
import { canonical, type VarInt } from "../varint.ts";

/** All 64-bit values, small ones and the borders of encodings often. */
export const varInt: fc.Arbitrary<VarInt> = fc.oneof(
  fc.integer({ min: 0, max: 200 }),
  fc
    .integer({ min: 0, max: 63 })
    .chain((bit) => fc.constantFrom(-1n, 0n, 1n).map((off) => canonical((1n << BigInt(bit)) + off))),
  fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }).map(canonical),
);

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const field = fc.uint8Array({ minLength: 1, maxLength: 20 });
export const namespace = fc.array(field, { maxLength: 32 });
export const track = fc.record({ namespace, name: bytes(20) });
const location = fc.record({ group: varInt, object: varInt });
/** Well-formed text. A leading byte order mark is taken off by decoding UTF-8, so none is made. */
const text = (maxLength: number) =>
  fc.string({ unit: "grapheme", maxLength }).filter((value) => !value.startsWith("\ufeff"));

const token: fc.Arbitrary<AuthToken> = fc.oneof(
  fc.record({ alias: fc.constantFrom("delete" as const, "use-alias" as const), tokenAlias: varInt }),
  fc.record({
    alias: fc.constant("register" as const),
    tokenAlias: varInt,
    tokenType: varInt,
    value: bytes(20),
  }),
  fc.record({ alias: fc.constant("use-value" as const), tokenType: varInt, value: bytes(20) }),
);
export const tokens = fc.array(token, { minLength: 1, maxLength: 3 });

const filter: fc.Arbitrary<NonNullable<Parameters["filter"]>> = fc.oneof(
  fc.constantFrom({ type: "largest-object" as const }, { type: "next-group-start" as const }),
  location.map((start) => ({ type: "absolute-start" as const, start })),
  fc
    .tuple(location, varInt)
    .map(([start, other]) =>
      other < start.group
        ? { type: "absolute-range" as const, start: { ...start, group: other }, endGroup: start.group }
        : { type: "absolute-range" as const, start, endGroup: other },
    ),
);

const values = {
  objectDeliveryTimeoutMs: varInt,
  subgroupDeliveryTimeoutMs: varInt,
  authorizationTokens: tokens,
  rendezvousTimeoutMs: varInt,
  fillTimeoutMs: varInt,
  expiresMs: varInt,
  largestObject: location,
  forward: fc.boolean(),
  subscriberPriority: fc.integer({ min: 0, max: 255 }),
  groupOrder: fc.constantFrom("ascending" as const, "descending" as const),
  filter,
  newGroupRequest: varInt,
  trackNamespacePrefix: namespace,
};

export function parameters(...names: (keyof typeof values)[]): fc.Arbitrary<Parameters> {
  const model = Object.fromEntries(names.map((name) => [name, values[name]]));
  return fc.record(model, { requiredKeys: [] }) as fc.Arbitrary<Parameters>;
}

function compareTypes(a: KeyValue, b: KeyValue): number {
  return a.type < b.type ? -1 : a.type > b.type ? 1 : 0;
}

function keyValues(type: fc.Arbitrary<VarInt>): fc.Arbitrary<KeyValue[]> {
  const pair = fc
    .tuple(type, varInt, bytes(12))
    .map(
      ([kind, number, data]): KeyValue => ({ type: kind, value: BigInt(kind) % 2n === 1n ? data : number }),
    );
  return fc.array(pair, { maxLength: 5 }).map((pairs) => pairs.sort(compareTypes));
}

/** Types that no draft restricts, from those for applications upwards, without the Mandatory Track Properties. */
const freeType = varInt.filter((type) => type >= 0x80 && (type < 0x4000 || type > 0x7fff));
export const trackProperties = keyValues(freeType);

const id = { requestId: varInt };
const withTrackProperties = { trackProperties };

export const setup = fc.record(
  {
    type: fc.constant("setup" as const),
    path: fc.constantFrom("/", "/a/b?c=d", ""),
    authority: fc.constantFrom("example.com", "[::1]:443"),
    maxAuthTokenCacheSize: varInt,
    authorizationTokens: tokens,
    implementation: text(20),
    unknown: keyValues(freeType).filter((pairs) => pairs.length > 0),
  },
  { requiredKeys: ["type"] },
);

/** Every message of draft-18 that may be on a control stream. */
export const controlStreamMessage: fc.Arbitrary<ControlMessage> = fc.oneof(
  setup,
  fc.record({ type: fc.constant("goaway" as const), newSessionUri: text(50), timeoutMs: varInt, ...id }),
);

const plainErrorCode = varInt.filter((code) => code !== 0x34);
const requestError = fc.oneof(
  fc.record({
    type: fc.constant("request-error" as const),
    errorCode: plainErrorCode,
    retryInterval: varInt,
    reason: text(60),
  }),
  fc.record({
    type: fc.constant("request-error" as const),
    errorCode: fc.constant(0x34),
    retryInterval: varInt,
    reason: text(60),
    redirect: fc.record({ connectUri: text(40), namespace, name: bytes(20) }),
  }),
);

export const fetchRange = fc.oneof(
  fc.tuple(track, location, location).map(([name, a, b]) => {
    const forward = a.group < b.group || (a.group === b.group && a.object < b.object);
    const [start, end] = forward ? [a, b] : [b, a];
    const same = start.group === end.group && start.object === end.object;
    return {
      kind: "standalone" as const,
      track: name,
      start,
      end: same ? { group: end.group, object: 0 } : end,
    };
  }),
  fc.record({
    kind: fc.constantFrom("relative-joining" as const, "absolute-joining" as const),
    joiningRequestId: varInt,
    joiningStart: varInt,
  }),
);

/** Every message of draft-18 that may be on a request stream. */
export const requestStreamMessage: fc.Arbitrary<ControlMessage> = fc.oneof(
  fc.record({ type: fc.constant("goaway" as const), newSessionUri: text(50), timeoutMs: varInt }),
  fc.record({
    type: fc.constant("request-ok" as const),
    parameters: parameters(
      "objectDeliveryTimeoutMs",
      "subgroupDeliveryTimeoutMs",
      "expiresMs",
      "largestObject",
      "forward",
      "subscriberPriority",
      "filter",
      "groupOrder",
      "newGroupRequest",
    ),
    ...withTrackProperties,
  }),
  requestError,
  fc.record({
    type: fc.constant("subscribe" as const),
    ...id,
    track,
    parameters: parameters(
      "objectDeliveryTimeoutMs",
      "subgroupDeliveryTimeoutMs",
      "authorizationTokens",
      "rendezvousTimeoutMs",
      "forward",
      "subscriberPriority",
      "filter",
      "groupOrder",
      "newGroupRequest",
    ),
  }),
  fc.record({
    type: fc.constant("subscribe-ok" as const),
    trackAlias: varInt,
    parameters: parameters("expiresMs", "largestObject"),
    ...withTrackProperties,
  }),
  fc.record({
    type: fc.constant("request-update" as const),
    ...id,
    parameters: parameters(
      "objectDeliveryTimeoutMs",
      "subgroupDeliveryTimeoutMs",
      "authorizationTokens",
      "forward",
      "subscriberPriority",
      "filter",
      "newGroupRequest",
      "trackNamespacePrefix",
    ),
  }),
  fc.record({
    type: fc.constant("publish" as const),
    ...id,
    track,
    trackAlias: varInt,
    parameters: parameters("authorizationTokens", "expiresMs", "largestObject", "forward"),
    ...withTrackProperties,
  }),
  fc.record({
    type: fc.constant("publish-done" as const),
    statusCode: varInt,
    streamCount: varInt,
    reason: text(60),
  }),
  fc.record({
    type: fc.constant("fetch" as const),
    ...id,
    range: fetchRange,
    parameters: parameters("authorizationTokens", "fillTimeoutMs", "subscriberPriority", "groupOrder"),
  }),
  fc.record({
    type: fc.constant("fetch-ok" as const),
    endOfTrack: fc.boolean(),
    end: location,
    parameters: fc.constant({}),
    ...withTrackProperties,
  }),
  fc.record({
    type: fc.constant("track-status" as const),
    ...id,
    track,
    parameters: parameters("authorizationTokens"),
  }),
  fc.record({
    type: fc.constant("publish-namespace" as const),
    ...id,
    namespace,
    parameters: parameters("authorizationTokens"),
  }),
  fc.record({
    type: fc.constant("subscribe-namespace" as const),
    ...id,
    prefix: namespace,
    parameters: parameters("authorizationTokens"),
  }),
  fc.record({
    type: fc.constant("subscribe-tracks" as const),
    ...id,
    prefix: namespace,
    parameters: parameters("authorizationTokens", "forward"),
  }),
  fc.record({ type: fc.constantFrom("namespace" as const, "namespace-done" as const), suffix: namespace }),
  fc.record({ type: fc.constant("publish-blocked" as const), suffix: namespace, name: bytes(20) }),
);
