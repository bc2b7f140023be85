/** What is signed, and the catalog: CBOR, envelopes, manifests, delegations, MSF documents and their deltas. */

import { buildCatalog } from "../../catalog/build.ts";
import { applyDelta } from "../../catalog/delta.ts";
import {
  fullTrackName,
  initDataOf,
  manifestTrackFor,
  mediaTracks,
  timelineTracksFor,
} from "../../catalog/lookup.ts";
import { encodeMediaTimeline, parseMediaTimeline } from "../../catalog/media-timeline.ts";
import { parseCatalog, parseDelta } from "../../catalog/parse.ts";
import type { Catalog } from "../../catalog/types.ts";
import { type CborValue, decodeCbor } from "../../trust/cbor.ts";
import { encodeCbor } from "../../trust/cbor-writer.ts";
import { decodeDelegation } from "../../trust/delegation.ts";
import { MANIFEST_AAD, openEnvelope } from "../../trust/envelope.ts";
import { MAX_CBOR_DEPTH } from "../../trust/limits.ts";
import { decodeManifest, encodeManifest } from "../../trust/manifest.ts";
import {
  encryptedObjectProperties,
  framePlaintext,
  keyIdIn,
  payloadIn,
} from "../../trust/secure-objects/framing.ts";
import type { Manifest } from "../../trust/types.ts";
import { utf8Encode } from "../../utf8.ts";
import { namespaceOf } from "../../wire/names.ts";
import type { VarInt } from "../../wire/varint.ts";
import type { Chance } from "./chance.ts";
import type { FuzzTarget } from "./engine.ts";
import { concat, demand, demandSame, judge } from "./judge.ts";
import { mutate } from "./mutate.ts";

const MALFORMED = ["manifest-malformed"] as const;

function cborValue(chance: Chance, depth = 0): CborValue {
  switch (chance.below(depth < 4 ? 6 : 4)) {
    case 0:
      return chance.varInt();
    case 1:
      return -1 - chance.below(2 ** 31);
    case 2:
      return chance.bytes(300);
    case 3:
      return chance.pick(["", "a", "später", "x".repeat(30)]);
    case 4:
      return chance.list(4, () => cborValue(chance, depth + 1));
    default: {
      const key = () => (chance.maybe() ? chance.below(70_000) - 100 : `k${chance.below(40)}`);
      return new Map(chance.list(4, () => [key(), cborValue(chance, depth + 1)] as const));
    }
  }
}

const cbor: FuzzTarget = {
  name: "CBOR",
  run(chance) {
    const value = cborValue(chance);
    const valid = encodeCbor(value);
    // -0 and 0 are one integer; encodings have no other way to say the same.
    demandSame(encodeCbor(decodeCbor(valid)), valid, "round trip");
    // Nested deeper than allowed, however much of it there is.
    if (chance.maybe(0.01)) {
      const deep = new Uint8Array(MAX_CBOR_DEPTH + 2 + chance.below(60_000)).fill(
        chance.pick([0x81, 0xa1, 0x9f]),
      );
      demand(judge(() => decodeCbor(deep), MALFORMED).error !== undefined, "endless nesting was read");
    }
    const bytes = mutate(chance, valid, [encodeCbor(cborValue(chance))]);
    const { value: read } = judge(() => decodeCbor(bytes), MALFORMED);
    if (read !== undefined) demandSame(encodeCbor(read), bytes, "there is a second encoding of one value");
  },
};

const DIGEST_BYTES = 32;

function manifest(chance: Chance): Manifest {
  const digest = () => new Uint8Array(DIGEST_BYTES).fill(chance.below(256));
  const sequence = chance.maybe(0.3) ? 0 : chance.varInt();
  let object: VarInt = chance.below(3);
  const entries = chance.list(chance.maybe(0.05) ? 200 : 4, () => {
    object = Number(object) + 1 + chance.below(3);
    return { object, size: chance.below(20_000), leaf: digest() };
  });
  return {
    version: 1,
    streamId: new Uint8Array(16).fill(chance.below(256)),
    track: { namespace: namespaceOf("example.com", "live"), name: chance.bytes(20) },
    sequence,
    previous: sequence === 0 ? undefined : digest(),
    group: chance.varInt(),
    entries,
    completion: chance.maybe()
      ? { objectCount: entries.length + chance.below(5), root: digest() }
      : undefined,
    issuedAtMs: 1_800_000_000_000 + chance.below(1e9),
    freshForMs: 1 + chance.below(60_000),
    catalogDigest: chance.maybe() ? digest() : undefined,
  };
}

const manifests: FuzzTarget = {
  name: "manifests",
  run(chance) {
    const written = manifest(chance);
    const valid = encodeManifest(written);
    demandSame(decodeManifest(valid), written, "round trip");
    const bytes = mutate(chance, valid, [encodeManifest(manifest(chance)), encodeCbor(cborValue(chance))]);
    const { value: read } = judge(() => decodeManifest(bytes), MALFORMED);
    // Whatever passes as a manifest is one that can be signed, in one form only.
    if (read) demandSame(encodeManifest(read), bytes, "there is a second encoding of one manifest");
  },
};

const KEY_IDS = [0, 127, 128, 2 ** 32, 2n ** 64n - 1n] as const;

const secureObjects: FuzzTarget = {
  name: "secure objects",
  run(chance) {
    const keyId = chance.pick(KEY_IDS);
    const properties = encryptedObjectProperties(keyId);
    demandSame(keyIdIn(properties).keyId, keyId, "key id");
    judge(() => keyIdIn(mutate(chance, properties, [encryptedObjectProperties(5)])), ["decryption-failed"]);
    const payload = chance.bytes(300);
    const list = Uint8Array.of(0, 10, 2, 1, 0);
    const plaintext = framePlaintext(payload, chance.maybe() ? list : undefined);
    demandSame(payloadIn(plaintext), new Uint8Array(payload), "payload");
    const bytes = new Uint8Array(mutate(chance, plaintext, [list]));
    const { value } = judge(() => payloadIn(bytes), ["decryption-failed"]);
    if (value) demand(value.byteLength < bytes.byteLength, "more payload than there were bytes");
  },
};

function delegationBytes(chance: Chance): Uint8Array<ArrayBuffer> {
  const notBeforeMs = chance.below(1e9);
  return encodeCbor(
    new Map<number, CborValue>([
      [1, 1],
      [2, new Uint8Array(chance.pick([32, 65])).fill(7)],
      [3, chance.list(3, () => chance.bytes(10))],
      [4, notBeforeMs],
      [5, notBeforeMs + 1 + chance.below(1e9)],
      [6, chance.varInt()],
    ]),
  );
}

const delegations: FuzzTarget = {
  name: "delegations",
  run(chance) {
    const valid = delegationBytes(chance);
    decodeDelegation(valid);
    const bytes = mutate(chance, valid, [encodeCbor(cborValue(chance))]);
    const { value } = judge(() => decodeDelegation(bytes), MALFORMED);
    if (value) demand(value.notBeforeMs < value.notAfterMs, "a delegation that never holds was read");
  },
};

/** An envelope of the right shape; whether the signature is one does not matter to those who read it. */
function envelope(chance: Chance): Uint8Array<ArrayBuffer> {
  const protectedBytes = encodeCbor(
    new Map<number, CborValue>([
      [1, chance.pick([-8, -7])],
      [4, new Uint8Array(8).fill(1)],
    ]),
  );
  const unprotected = new Map<number, CborValue>();
  if (chance.maybe(0.3))
    unprotected.set(
      -70_001,
      chance.list(5, () => delegationBytes(chance)),
    );
  if (chance.maybe(0.2)) unprotected.set(chance.below(100) + 10, cborValue(chance, 3));
  const body = encodeCbor([
    protectedBytes,
    unprotected,
    encodeManifest(manifest(chance)),
    new Uint8Array(64).fill(9),
  ]);
  return concat([new Uint8Array([0xd2]), body]);
}

const envelopes: FuzzTarget = {
  name: "envelopes",
  run(chance) {
    const valid = envelope(chance);
    openEnvelope(valid, MANIFEST_AAD);
    const bytes = mutate(chance, valid, [envelope(chance), encodeCbor(cborValue(chance))]);
    const { value } = judge(() => openEnvelope(bytes, MANIFEST_AAD), MALFORMED);
    if (!value) return;
    demand(
      value.signature.byteLength === 64 && value.kid.byteLength === 8,
      "an envelope of a wrong shape was opened",
    );
    judge(() => decodeManifest(value.payload), MALFORMED);
  },
};

const CATALOG = buildCatalog({
  broadcast: {
    v: 1,
    epochMs: 1_800_000_000_000,
    groupDurationMs: 1000,
    regularGroups: true,
    objectDurationMs: 200,
  },
  tracks: [
    {
      name: "video",
      packaging: "cmaf",
      role: "video",
      codec: "avc1.4d401e",
      mimeType: "video/mp4",
      initData: new Uint8Array(40).fill(3),
      timescale: 48_000,
      bitrate: 500_000,
      width: 640,
      height: 360,
      framerate: 25,
      template: [0, 1000, [0, 0], [1, 0], 1_800_000_000_000, 1000],
    },
    {
      name: "audio",
      packaging: "cmaf",
      role: "audio",
      codec: "mp4a.40.2",
      mimeType: "audio/mp4",
      timescale: 48_000,
      bitrate: 96_000,
    },
  ],
});

/** Both forms that drafts of MSF have had. */
const DELTAS = [
  `{"deltaUpdate":[{"op":"add","tracks":[{"name":"sd","packaging":"cmaf","isLive":true}]},{"op":"remove","tracks":[{"name":"audio"}]}]}`,
  `{"deltaUpdate":[{"op":"clone","tracks":[{"parentName":"video","name":"hd","width":1920}]},{"op":"update","tracks":[{"name":"video","isLive":false}]}]}`,
  `{"deltaUpdate":true,"addTracks":[{"name":"cc","packaging":"loc","isLive":true}],"removeTracks":[{"name":"video"}]}`,
].map(utf8Encode);

/** Known fields with values of any type: what damage to bytes rarely reaches. */
function jsonValue(chance: Chance, depth = 0): unknown {
  const leaf = [null, true, false, 0, -1, 1.5, 2 ** 53, 1e308, "", "video", "cmaf", "AAAA", "__proto__"];
  if (depth > 2 || chance.maybe(0.6)) return chance.pick(leaf);
  if (chance.maybe()) return chance.list(3, () => jsonValue(chance, depth + 1));
  return Object.fromEntries(chance.list(3, () => [chance.pick(FIELDS), jsonValue(chance, depth + 1)]));
}

const FIELDS = [
  "version",
  "tracks",
  "name",
  "namespace",
  "packaging",
  "isLive",
  "depends",
  "codec",
  "width",
  "bitrate",
  "initData",
  "initRef",
  "initDataList",
  "template",
  "timescale",
  "generatedAt",
  "isComplete",
  "deltaUpdate",
  "op",
  "parentName",
  "org.countersign",
  "__proto__",
  "constructor",
];

/** The document with some values replaced. */
function withWrongTypes(chance: Chance, document: unknown): unknown {
  if (chance.maybe(0.06)) return jsonValue(chance);
  if (Array.isArray(document)) return document.map((item) => withWrongTypes(chance, item));
  if (typeof document !== "object" || document === null) return document;
  const entries = Object.entries(document).map(([name, value]) => [name, withWrongTypes(chance, value)]);
  if (chance.maybe(0.1)) entries.push([chance.pick(FIELDS), jsonValue(chance)]);
  return Object.fromEntries(entries);
}

function damaged(chance: Chance, valid: Uint8Array): Uint8Array {
  if (chance.maybe()) return mutate(chance, valid, [CATALOG, ...DELTAS]);
  return utf8Encode(JSON.stringify(withWrongTypes(chance, JSON.parse(new TextDecoder().decode(valid)))));
}

function readEverything(catalog: Catalog): void {
  for (const track of mediaTracks(catalog)) {
    manifestTrackFor(catalog, track.name, track.namespace);
    fullTrackName(namespaceOf("example.com"), track);
    timelineTracksFor(catalog, track);
    initDataOf(catalog, track);
  }
}

const catalogs: FuzzTarget = {
  name: "catalogs",
  run(chance) {
    const malformed = ["catalog-malformed"] as const;
    const whole = chance.maybe(0.4) ? CATALOG : damaged(chance, CATALOG);
    const { value: catalog } = judge(() => parseCatalog(whole), malformed);
    if (catalog) judge(() => readEverything(catalog), malformed);
    const change = chance.pick(DELTAS);
    const { value: delta } = judge(
      () => parseDelta(chance.maybe(0.2) ? change : damaged(chance, change)),
      malformed,
    );
    if (!catalog || !delta) return;
    const { value: after } = judge(() => applyDelta(catalog, delta), malformed);
    if (after) judge(() => readEverything(after), malformed);
  },
};

const TIMELINE = encodeMediaTimeline(
  [0, 1200, 2400, 2800].map((mediaMs, group) => ({
    mediaMs,
    group,
    object: 0,
    wallclockMs: 1_800_000_000_000,
  })),
);

const timelines: FuzzTarget = {
  name: "media timelines",
  run(chance) {
    const bytes = chance.maybe()
      ? mutate(chance, TIMELINE, [TIMELINE])
      : utf8Encode(JSON.stringify(withWrongTypes(chance, JSON.parse(new TextDecoder().decode(TIMELINE)))));
    judge(() => parseMediaTimeline(bytes), ["timeline-unusable"]);
  },
};

export const documentTargets: readonly FuzzTarget[] = [
  cbor,
  manifests,
  delegations,
  envelopes,
  secureObjects,
  catalogs,
  timelines,
];
