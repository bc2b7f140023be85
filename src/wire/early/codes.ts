/**
 * Numbers of errors that drafts 14 to 16 assign otherwise than draft-18, which is what all of Countersign knows (codes.ts).
 *
 * A code of ours that an old draft does not have goes out as INTERNAL_ERROR, its reason phrase says the rest. A code of theirs that nobody knows
 * comes in as that too: unknown codes are legal and end nothing.
 */
import { publishDoneCodes, requestErrors } from "../codes.ts";
import type { Answered } from "../shared-messages.ts";
import type { VarInt } from "../varint.ts";

/** Which table of codes a draft has: 14 has one per request, 15 and 16 one for all. */
export interface CodeDialect {
  readonly publishDone: ReadonlyMap<VarInt, number>;
}

const R = requestErrors;
const D = publishDoneCodes;

/** PUBLISH_DONE in draft-16 (§9.15): the wire's number, then ours. */
export const publishDone16: ReadonlyMap<VarInt, number> = new Map([
  [0x0, D["internal-error"]],
  [0x1, D.unauthorized],
  [0x2, D["track-ended"]],
  [0x3, D["subscription-ended"]],
  [0x4, D["going-away"]],
  [0x5, D.expired],
  [0x6, D["too-far-behind"]],
  [0x8, D["update-failed"]],
  [0x12, D["malformed-track"]],
]);

/** In draft-15 (§9.15) and, but for UPDATE_FAILED, draft-14 (§9.12). */
export const publishDone15: ReadonlyMap<VarInt, number> = new Map([
  ...[...publishDone16].filter(([wire]) => wire !== 0x12),
  [0x7, D["malformed-track"]],
]);
export const publishDone14: ReadonlyMap<VarInt, number> = new Map(
  [...publishDone15].filter(([wire]) => wire !== 0x8),
);

function wireOf(table: ReadonlyMap<VarInt, number>, code: VarInt): number {
  for (const [wire, common] of table) if (common === code) return Number(wire);
  return 0x0;
}

export function publishDoneFromWire(code: VarInt, dialect: CodeDialect): number {
  return dialect.publishDone.get(code) ?? D["internal-error"];
}

export function publishDoneToWire(code: VarInt, dialect: CodeDialect): number {
  return wireOf(dialect.publishDone, code);
}

/** Those of draft-18's request errors that drafts 15 and 16 have, under the same numbers (draft-16 §9.8). */
const common16: ReadonlySet<VarInt> = new Set([
  R["internal-error"],
  R.unauthorized,
  R.timeout,
  R["not-supported"],
  R["malformed-auth-token"],
  R["expired-auth-token"],
  R["does-not-exist"],
  R["invalid-range"],
  R["malformed-track"],
  R["duplicate-subscription"],
  R.uninterested,
  R["prefix-overlap"],
  R["invalid-joining-request-id"],
]);

export function requestErrorToWire(code: VarInt): number {
  return common16.has(code) ? Number(code) : R["internal-error"];
}

/** What all requests of draft-14 share. */
const shared14: readonly (readonly [number, number])[] = [
  [0x0, R["internal-error"]],
  [0x1, R.unauthorized],
  [0x2, R.timeout],
  [0x3, R["not-supported"]],
  [0x10, R["malformed-auth-token"]],
  [0x12, R["expired-auth-token"]],
];

const ofSubscribe14 = new Map([...shared14, [0x4, R["does-not-exist"]], [0x5, R["invalid-range"]]] as const);
const ofPublish14 = new Map([...shared14, [0x4, R.uninterested]] as const);

/** Draft-14 §9.9, §9.15, §9.18, §9.22, §9.25, §9.30: the wire's number, then ours. */
const tables14: Readonly<Record<Answered, ReadonlyMap<VarInt, number>>> = {
  subscribe: ofSubscribe14,
  "track-status": ofSubscribe14,
  "request-update": ofSubscribe14,
  fetch: new Map([
    ...ofSubscribe14,
    // NO_OBJECTS: nothing is there between start and end; newer drafts answer with an empty stream.
    [0x6, R["does-not-exist"]],
    [0x7, R["invalid-joining-request-id"]],
    [0x8, R["does-not-exist"]],
    [0x9, R["malformed-track"]],
  ]),
  publish: ofPublish14,
  "publish-namespace": ofPublish14,
  "subscribe-namespace": new Map([...shared14, [0x4, R["does-not-exist"]], [0x5, R["prefix-overlap"]]]),
  "subscribe-tracks": new Map([...shared14, [0x4, R["does-not-exist"]], [0x5, R["prefix-overlap"]]]),
};

export function requestErrorFromWire14(code: VarInt, answered: Answered): number {
  return tables14[answered].get(code) ?? R["internal-error"];
}

export function requestErrorToWire14(code: VarInt, answered: Answered): number {
  return wireOf(tables14[answered], code);
}
