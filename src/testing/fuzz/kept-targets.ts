/** What is kept in files, rides in properties, or is told from relay to relay: evidence, recordings, stored groups, encrypted objects, proofs, notices of the mesh. */

import { NamespaceRelayDirectory } from "../../mesh/namespace-relay-directory.ts";
import { decodeStoredGroup, encodeStoredGroup, readFrameHead } from "../../replay/group-file.ts";
import type { StoredGroup } from "../../replay/types.ts";
import { decodeEvidence, encodeEvidence } from "../../trust/evidence.ts";
import { carriesInclusionProof, INCLUSION_PROOF_PROPERTY } from "../../trust/inclusion.ts";
import { decodeKeyChange } from "../../trust/key-change.ts";
import { decodeManifests, encodeManifests } from "../../trust/recording.ts";
import {
  encryptedObjectProperties,
  framePlaintext,
  keyIdIn,
  payloadIn,
} from "../../trust/secure-objects/framing.ts";
import { utf8Encode } from "../../utf8.ts";
import { cursorOver, tryVi64 } from "../../wire/cursor.ts";
import { type Namespace, namespaceKey, namespaceOf } from "../../wire/names.ts";
import type { MoqObject } from "../../wire/objects.ts";
import { encodeProperties } from "../../wire/properties.ts";
import { FakeClock } from "../fake-clock.ts";
import type { Chance } from "./chance.ts";
import { objectProperties } from "./data-streams.ts";
import type { FuzzTarget } from "./engine.ts";
import { demand, demandSame, judge } from "./judge.ts";
import { mutate } from "./mutate.ts";

const MALFORMED = ["manifest-malformed"] as const;

const evidence: FuzzTarget = {
  name: "evidence",
  run(chance) {
    const bytesList = () => chance.list(3, () => chance.bytes(120));
    const bundle = {
      manifests: chance.list(3, () => ({
        envelope: chance.bytes(200),
        peer: chance.pick(["", "https://a"]),
      })),
      keyStatements: { succession: bytesList(), delegation: bytesList(), revocation: bytesList() },
    };
    const valid = encodeEvidence(bundle);
    demandSame(decodeEvidence(valid), bundle, "round trip");
    const { value } = judge(() => decodeEvidence(mutate(chance, valid)), MALFORMED);
    if (value) demandSame(decodeEvidence(encodeEvidence(value)), value, "said again");
  },
};

const recordings: FuzzTarget = {
  name: "manifests of a recording",
  run(chance) {
    const envelopes = chance.list(4, () => chance.bytes(200));
    const valid = encodeManifests(envelopes);
    demandSame(decodeManifests(valid), envelopes, "round trip");
    const { value } = judge(() => decodeManifests(mutate(chance, valid)), MALFORMED);
    if (value) demandSame(decodeManifests(encodeManifests(value)), value, "said again");
    judge(() => decodeKeyChange(mutate(chance, valid)), MALFORMED);
  },
};

function objectOf(chance: Chance, group: StoredGroup["group"]): MoqObject {
  return {
    group,
    object: chance.varInt(),
    subgroup: chance.maybe() ? chance.varInt() : undefined,
    priority: chance.maybe() ? chance.below(256) : undefined,
    status: "normal",
    properties: chance.bytes(30),
    payload: chance.bytes(200),
  };
}

const storedGroups: FuzzTarget = {
  name: "stored groups",
  run(chance) {
    const group = chance.varInt();
    const stored: StoredGroup = {
      group,
      complete: chance.maybe(),
      evidence: chance.list(3, () => chance.bytes(100)),
      objects: chance.list(4, () => objectOf(chance, group)),
    };
    const valid = encodeStoredGroup(stored);
    demandSame(decodeStoredGroup(valid), stored, "round trip");
    const bytes = mutate(chance, valid, [encodeStoredGroup({ ...stored, objects: [] })]);
    const head = readFrameHead(bytes);
    const { value } = judge(() => decodeStoredGroup(bytes), ["store-corrupt"]);
    if (!value) return;
    demand(head?.byteLength === bytes.byteLength, "a frame was read that its head does not tell of");
    demand(value.objects.length === head?.objects, "a head counts other objects than there are");
  },
};

const encryptedObjects: FuzzTarget = {
  name: "encrypted objects",
  run(chance) {
    const keyId = chance.varInt();
    const properties = encryptedObjectProperties(keyId);
    demandSame(keyIdIn(properties).keyId, keyId, "round trip of a key id");
    const others = [objectProperties(chance)];
    judge(() => keyIdIn(mutate(chance, properties, others)), ["decryption-failed"]);
    judge(() => keyIdIn(mutate(chance, others[0]!, [properties])), ["decryption-failed"]);
    const payload = chance.bytes(300);
    const framed = framePlaintext(payload);
    demandSame(payloadIn(framed), payload, "round trip of a payload");
    const damaged = new Uint8Array(mutate(chance, framed));
    const { value } = judge(() => payloadIn(damaged), ["decryption-failed"]);
    const told = tryVi64(cursorOver(damaged, ""));
    if (value) demand(value.byteLength === told, "a payload is not as long as its plaintext says");
  },
};

const proofs: FuzzTarget = {
  name: "inclusion proofs",
  run(chance) {
    const value = chance.bytes(4 + 32 * chance.below(20));
    const valid = encodeProperties([{ type: INCLUSION_PROOF_PROPERTY, value }]);
    const properties = chance.maybe(0.3) ? valid : mutate(chance, valid, [objectProperties(chance)]);
    // Whatever it is, it is a proof or none; it is never an error, which would blame an object for what anybody can attach.
    const carried = carriesInclusionProof({ properties });
    if (properties === valid && carried)
      demand((value.byteLength - 4) % 32 === 0, "a proof of half a digest");
  },
};

/** A relay that tells a directory whatever it likes. */
function directoryTold(notices: readonly Namespace[]): NamespaceRelayDirectory {
  const directory = new NamespaceRelayDirectory({ clock: new FakeClock() });
  directory.attach({
    closed: new Promise(() => undefined),
    publishNamespace: () => new Promise(() => undefined),
    subscribeNamespace: (prefix, listener) => {
      for (const notice of notices) listener.added([...prefix, ...notice]);
      return new Promise(() => undefined);
    },
  });
  return directory;
}

const notices: FuzzTarget = {
  name: "notices of the mesh",
  run(chance) {
    const broadcast = namespaceOf("example.com", "live");
    const url = chance.pick(["https://a.test/", "https://b.test:4443/moq", "http://a.test", "nonsense", ""]);
    const tier = chance.pick(["origin", "edge", "else"]);
    const record = JSON.stringify({
      url,
      tier,
      ...(chance.maybe() && { weight: chance.pick([1, 0, -1, 1e300, null]) }),
      ...(chance.maybe() && { sha256: "ab".repeat(chance.pick([32, 31])) }),
    });
    const valid = [utf8Encode(namespaceKey(broadcast)), utf8Encode(record)];
    const fields = chance.maybe(0.3) ? valid : valid.map((field) => mutate(chance, field));
    const directory = directoryTold([
      fields,
      ...chance.list(2, () => chance.list(4, () => chance.bytes(40))),
    ]);
    for (const namespace of directory.namespaces()) {
      for (const { id, tier: told } of directory.locate(namespace)) {
        demand(URL.canParse(id), `${id} is located and is no address`);
        demand(told === "origin" || told === "edge", `a relay of tier ${told}`);
      }
    }
    const isGood =
      fields === valid && url === "https://a.test/" && tier === "edge" && !record.includes("weight");
    if (isGood && !record.includes("sha256"))
      demand(directory.locate(broadcast).length === 1, "a good notice was not believed");
    directory.close();
  },
};

export const keptTargets: readonly FuzzTarget[] = [
  evidence,
  recordings,
  storedGroups,
  encryptedObjects,
  proofs,
  notices,
];
