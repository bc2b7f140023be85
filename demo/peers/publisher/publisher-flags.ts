/** The publisher's command line. */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { EncryptionPlan } from "../../../src/publish/encryption.ts";
import { suiteByCatalogName } from "../../../src/trust/secure-objects/suites.ts";
import type { Version } from "../../../src/wire/codec.ts";
import { supportedVersions, versionOf } from "../../../src/wire/registry.ts";

export interface PublisherFlags {
  readonly relay: string;
  readonly certificateHashes: readonly Uint8Array[];
  readonly broadcast: readonly string[];
  readonly epochMs: number;
  readonly objectMs: number;
  readonly groupMs: number;
  readonly input: string | undefined;
  readonly publishManifests: boolean;
  readonly publishChunks: boolean;
  readonly timeline: boolean;
  /** 32 bytes, when manifests are published. */
  readonly seed: Uint8Array | undefined;
  /** Statements of roots about that key, hex. */
  readonly delegations: readonly string[];
  /** 16 bytes; undefined: a new stream. */
  readonly streamId: Uint8Array | undefined;
  /** More relays to publish to. */
  readonly alsoRelays: readonly { readonly url: string; readonly certificateHash: Uint8Array }[];
  readonly encryption: EncryptionPlan | undefined;
  readonly startupDelayMs: number;
  readonly historyMs: number;
  readonly stopAfterMs: number | undefined;
  /** Drafts to offer, best first; undefined: all we speak. */
  readonly drafts: readonly Version[] | undefined;
}

export const PUBLISHER_USAGE = `Publishes a looped clip as a MoQ broadcast: its chunks, its signed manifests, or both.

  --relay URL                  WebTransport address of the relay
  --cert-hash HEX              SHA-256 of the relay's certificate (development)
  --broadcast NAME             namespace, fields joined by "/"            (countersign/demo)
  --epoch MS                   wall clock of media time 0, ms since 1970; signer and publishers share it
  --object-ms MS               media time per object                      (200)
  --group-ms MS                least media time per group                 (1000)
  --input FILE                 a media file                               (the bundled clip)
  --publish-manifests[=BOOL]   sign and publish manifests and the catalog (false)
  --publish-chunks[=BOOL]      publish media                              (true)
  --timeline[=BOOL]            with the manifests, a track that lists when groups play (false)
  --seed FILE                  the signer's Ed25519 seed, 64 hex digits
  --delegation HEX             a root's word for that key, may be repeated
  --stream-id HEX              the stream to sign for, 32 hex digits      (a new one)
  --also-relay URL#HASH        another relay to publish to, may be repeated
  --encrypt SUITE              encrypt the media, with e.g. aes-128-gcm-sha256 (docs/encryption.md)
  --encrypt-key ID:HEX         a base key; several take turns             (--encrypt needs one)
  --encrypt-rotate GROUPS      change to the next key after that many groups
  --startup-delay-ms MS        wait before the first object               (0)
  --history MS                 begin with what lies that far back, at once (0)
  --stop-after MS              end by itself after that long
  --draft NAME                 MOQT draft to offer, may be repeated       (all: ${supportedVersions.join(", ")})`;

/** parseArgs knows no optional values: `--flag` becomes `--flag=true`. */
function withValues(args: readonly string[], names: readonly string[]): string[] {
  return args.map((arg) => (names.includes(arg) ? `${arg}=true` : arg));
}

function flag(name: string, value: string): boolean {
  if (value === "true" || value === "false") return value === "true";
  throw new Error(`--${name} takes true or false, not ${value}`);
}

function whole(name: string, value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 0)
    throw new Error(`--${name} takes a whole number of milliseconds, not ${value}`);
  return number;
}

function hex(name: string, value: string, bytes: number): Uint8Array {
  if (!new RegExp(`^[0-9a-fA-F]{${bytes * 2}}$`).test(value))
    throw new Error(`${name} takes ${bytes * 2} hex digits`);
  return new Uint8Array(Buffer.from(value, "hex"));
}

function encryptionOf(
  suiteName: string | undefined,
  keys: readonly string[],
  rotate: string | undefined,
): EncryptionPlan | undefined {
  if (suiteName === undefined) return undefined;
  const suite = suiteByCatalogName(suiteName);
  if (suite === undefined) throw new Error(`--encrypt knows no cipher suite ${suiteName}`);
  if (keys.length === 0) throw new Error("--encrypt needs --encrypt-key");
  return {
    suite,
    keys: keys.map((key) => {
      const [, id, digits = ""] = /^(\d+):((?:[0-9a-fA-F]{2})+)$/.exec(key) ?? [];
      if (id === undefined) throw new Error(`--encrypt-key takes ID:HEX, not ${key}`);
      return { keyId: Number(id), baseKey: new Uint8Array(Buffer.from(digits, "hex")) };
    }),
    ...(rotate !== undefined && { rotateGroups: whole("encrypt-rotate", rotate) }),
  };
}

/** Throws Error with a sentence that names the flag. */
export function parsePublisherFlags(args: readonly string[]): PublisherFlags {
  const { values } = parseArgs({
    args: withValues(args, ["--publish-manifests", "--publish-chunks", "--timeline"]),
    options: {
      relay: { type: "string" },
      "cert-hash": { type: "string", multiple: true, default: [] },
      broadcast: { type: "string", default: "countersign/demo" },
      epoch: { type: "string" },
      "object-ms": { type: "string", default: "200" },
      "group-ms": { type: "string", default: "1000" },
      input: { type: "string" },
      "publish-manifests": { type: "string", default: "false" },
      "publish-chunks": { type: "string", default: "true" },
      timeline: { type: "string", default: "false" },
      seed: { type: "string" },
      delegation: { type: "string", multiple: true, default: [] },
      "stream-id": { type: "string" },
      "also-relay": { type: "string", multiple: true, default: [] },
      encrypt: { type: "string" },
      "encrypt-key": { type: "string", multiple: true, default: [] },
      "encrypt-rotate": { type: "string" },
      history: { type: "string", default: "0" },
      "startup-delay-ms": { type: "string", default: "0" },
      "stop-after": { type: "string" },
      draft: { type: "string", multiple: true, default: [] },
    },
  });
  if (values.relay === undefined) throw new Error("--relay is missing");
  if (values.epoch === undefined) throw new Error("--epoch is missing");
  const publishManifests = flag("publish-manifests", values["publish-manifests"]);
  if (publishManifests && values.seed === undefined) throw new Error("--publish-manifests needs --seed");
  return {
    relay: values.relay,
    certificateHashes: values["cert-hash"].map((hash) => hex("--cert-hash", hash, 32)),
    broadcast: values.broadcast.split("/"),
    epochMs: whole("epoch", values.epoch),
    objectMs: whole("object-ms", values["object-ms"]),
    groupMs: whole("group-ms", values["group-ms"]),
    input: values.input,
    publishManifests,
    publishChunks: flag("publish-chunks", values["publish-chunks"]),
    timeline: flag("timeline", values.timeline),
    seed:
      values.seed === undefined
        ? undefined
        : hex("the seed file", readFileSync(values.seed, "utf8").trim(), 32),
    delegations: values.delegation,
    streamId: values["stream-id"] === undefined ? undefined : hex("--stream-id", values["stream-id"], 16),
    alsoRelays: values["also-relay"].map((relay) => {
      const [url = "", hash = ""] = relay.split("#");
      return { url, certificateHash: hex("--also-relay", hash, 32) };
    }),
    encryption: encryptionOf(values.encrypt, values["encrypt-key"], values["encrypt-rotate"]),
    historyMs: whole("history", values.history),
    startupDelayMs: whole("startup-delay-ms", values["startup-delay-ms"]),
    stopAfterMs: values["stop-after"] === undefined ? undefined : whole("stop-after", values["stop-after"]),
    drafts: values.draft.length === 0 ? undefined : values.draft.map(versionOf),
  };
}
