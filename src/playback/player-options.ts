/** What an app says to `createPlayer`, and its check: every mistake ends in an error that says what to do. */
import type Hls from "hls.js";
import type { HlsConfig } from "hls.js";
import { CountersignError } from "../errors.ts";
import type { AuthorizationProvider, OpenOptions, PeerOptions, RedirectOptions } from "../rpc/protocol.ts";
import { type EncryptionOptions, parseEncryption } from "./key-options.ts";
import { parseReplay, type ReplayOptions } from "./replay-options.ts";

/** A peer: its address, or address and certificate digests (for development). */
export type PeerInput = string | PeerOptions;

export interface TrustOptions {
  /** Ed25519 public keys that may sign: 32 bytes each, raw, as 64 hexadecimal digits, or as base64url. */
  readonly roots: readonly (string | Uint8Array)[];
}

export interface PlayerOptions {
  /** The broadcast's namespace: its fields, or one string with the fields separated by slashes. */
  readonly broadcast: string | readonly string[];
  /** Object relays. Nothing they send is trusted; name as many as you like. */
  readonly objects: readonly PeerInput[];
  /** Manifest peers: they carry what the signer signed. */
  readonly manifests: readonly PeerInput[];
  readonly trust: TrustOptions;
  /**
   * How many object relays send everything at once; the others stand by, connected and subscribed, at no cost in media bytes. More hides a relay's death or
   * delay better and costs as many times the bytes. Default: all of `objects`.
   */
  readonly redundancy?: number;
  /**
   * Ask the relays named in `objects` who else serves the broadcast, and read from those too: one address is enough, and relays that come and go are followed. Relays
   * on the hosts of the named ones may be used, and on those in `hosts` (`"*.example.com"` stands for every host below example.com): a relay that is not trusted
   * must not decide where a browser connects to. Default: only the named ones.
   */
  readonly discover?: boolean | { readonly hosts?: readonly string[] };
  /** Distance to the live edge to aim for, in ms (50 to 30,000); default 400. Raised by itself where the broadcast's objects are longer than that. */
  readonly targetLatencyMs?: number;
  /** After a reload: at the live edge (default), or where the viewer was. */
  readonly resume?: "live" | "position";
  /** What was verified is kept in the browser for rewinding and for playing without a network; false: not. Default true. */
  readonly replay?: boolean | ReplayOptions;
  /** Keys of a broadcast that is encrypted (MoQ Secure Objects); not needed for one that is not. See docs/encryption.md. */
  readonly encryption?: EncryptionOptions;
  /**
   * Draft versions to speak, best first, e.g. `["moqt-18"]`; default: all that this build knows. They are offered to the relay, which chooses. Where nothing is negotiated
   * (Firefox cannot tell, some relays do not choose) the first one is spoken, and one of each other kind tried after it.
   */
  readonly versions?: readonly string[];
  /** Where a relay may send this player instead; default: to its own origin, three times in a row. false: nowhere. */
  readonly redirects?: false | RedirectOptions;
  /**
   * Authorization for relays that ask for it: a token, or a function that gives one when it is wanted, and a fresh one (`refresh`) when the relay refused the last or a
   * subscription is about to expire. It is asked for each connection and request, so it should remember what it has. Tokens go to every peer that is named here, and to where
   * `redirects` lets those send us: a function can give a token by `url`.
   */
  readonly authorization?: string | AuthorizationProvider;
  /** Call `video.play()` when there is something to play. Default: whether the element has the autoplay attribute. */
  readonly autoplay?: boolean;
  /** Address of `client.worker.js`, for pages whose bundler moves files. */
  readonly workerUrl?: string | URL;
  /** Makes the worker, when an address is not enough. */
  readonly createWorker?: () => Worker;
  /** An hls.js instance of the app's: it is configured, used, and detached but not destroyed at the end. */
  readonly hls?: Hls;
  /** Laid over our configuration of hls.js. */
  readonly hlsConfig?: Partial<HlsConfig>;
}

/** What a browser has to have. Given by `globalThis`; tests give their own. */
export interface PlayerEnvironment {
  readonly isSecureContext?: boolean;
  readonly WebTransport?: unknown;
  readonly crypto?: { readonly subtle?: SubtleCrypto };
}

export const DEFAULT_TARGET_LATENCY_MS = 400;
const MIN_TARGET_LATENCY_MS = 50;
const MAX_TARGET_LATENCY_MS = 30_000;

/** draft-ietf-moq-transport-18 §2.4.1: a namespace has 1 to 32 fields. */
const MAX_NAMESPACE_FIELDS = 32;
/** The same section: a full track name has at most 4,096 bytes; the track's own name needs some of them. */
const MAX_NAMESPACE_BYTES = 4000;
/** Peers of one kind. Each is a connection of its own; browsers and relays alike would refuse many more. */
const MAX_PEERS = 16;
const KEY_BYTES = 32;
/** A host name, an address, or a name of two labels or more below which any host will do, so that nobody allows a whole top-level domain by mistake. */
const HOST_PATTERN = /^(?:\*\.[^*/:@?#\s.]+\.[^*/:@?#\s]+|[^*/:@?#\s]+|\[[0-9a-f:]+\])$/i;

function refuse(message: string, hint: string): never {
  throw new CountersignError("invalid-options", message, { hint });
}

/** Checks what the browser has to have. Throws `webtransport-unavailable` or `crypto-unavailable`. */
export function checkEnvironment(environment: PlayerEnvironment): void {
  if (environment.isSecureContext === false || environment.crypto?.subtle === undefined) {
    throw new CountersignError(
      "crypto-unavailable",
      "This page has no WebCrypto, so signatures cannot be checked.",
      {
        hint: "Serve the page over https, or from http://localhost for development.",
      },
    );
  }
  if (environment.WebTransport === undefined) {
    throw new CountersignError("webtransport-unavailable", "This browser has no WebTransport.", {
      hint: "Use Chrome or Edge 97, Firefox 114, Safari 26.4, or newer.",
    });
  }
}

/** Resolves when Ed25519 signatures can be verified here; rejects with `crypto-unavailable`. */
export async function checkSignatureSupport(
  environment: PlayerEnvironment,
  roots: readonly Uint8Array[],
): Promise<void> {
  const [root] = roots;
  if (root === undefined) return;
  try {
    await environment.crypto?.subtle?.importKey("raw", new Uint8Array(root), "Ed25519", false, ["verify"]);
  } catch (cause) {
    throw new CountersignError("crypto-unavailable", "This browser cannot verify Ed25519 signatures.", {
      hint: "Use Chrome or Edge 137, Firefox 129, Safari 17, or newer.",
      cause,
    });
  }
}

/**
 * The app's options as the worker wants them. Throws CountersignError: `address-invalid` for a peer's URL, `invalid-options` for everything
 * else, each with a hint.
 */
export function parseOptions(options: PlayerOptions): OpenOptions {
  if (typeof options !== "object" || options === null) {
    refuse("createPlayer was given no options.", "Pass { broadcast, objects, manifests, trust: { roots } }.");
  }
  const targetLatencyMs = options.targetLatencyMs ?? DEFAULT_TARGET_LATENCY_MS;
  if (!(targetLatencyMs >= MIN_TARGET_LATENCY_MS && targetLatencyMs <= MAX_TARGET_LATENCY_MS)) {
    refuse(
      `A targetLatencyMs of ${targetLatencyMs} cannot be kept.`,
      `Choose ${MIN_TARGET_LATENCY_MS} to ${MAX_TARGET_LATENCY_MS} ms; the duration of an object plus 100 ms is as low as it goes.`,
    );
  }
  const { redundancy } = options;
  if (redundancy !== undefined && !(Number.isInteger(redundancy) && redundancy >= 1)) {
    refuse(
      `redundancy is ${String(redundancy)}.`,
      "Pass how many relays shall send at once: 1, 2, ...; leave it out for all of them.",
    );
  }
  const resume = options.resume ?? "live";
  if (resume !== "live" && resume !== "position") {
    refuse(`resume is "${String(resume)}".`, 'Choose "live" or "position".');
  }
  const { versions, authorization } = options;
  if (
    versions !== undefined &&
    (!Array.isArray(versions) ||
      versions.length === 0 ||
      !versions.every((version) => typeof version === "string"))
  ) {
    refuse("versions is not a list of protocol versions.", 'Leave it out, or pass e.g. ["moqt-18"].');
  }
  if (
    authorization !== undefined &&
    typeof authorization !== "string" &&
    typeof authorization !== "function"
  ) {
    refuse(
      "authorization is neither a string nor a function.",
      "Pass a token, or a function that gives one.",
    );
  }
  return {
    broadcast: parseBroadcast(options.broadcast),
    objects: parsePeers(options.objects, "objects", "the address of at least one object relay"),
    manifests: parsePeers(
      options.manifests,
      "manifests",
      "the address of a peer that carries the signer's manifests",
    ),
    roots: parseRoots(options.trust?.roots),
    ...(redundancy !== undefined && { redundancy }),
    ...parseDiscover(options.discover),
    targetLatencyMs,
    resume,
    replay: parseReplay(options.replay ?? true),
    ...(options.encryption !== undefined && { encryption: parseEncryption(options.encryption) }),
    ...(versions !== undefined && { versions: [...versions] }),
    redirects: parseRedirects(options.redirects),
    ...(authorization !== undefined && {
      authorization: typeof authorization === "string" ? { token: authorization } : {},
    }),
  };
}

function parseBroadcast(broadcast: PlayerOptions["broadcast"]): string[] {
  const fields = typeof broadcast === "string" ? broadcast.split("/") : broadcast;
  const hint =
    'Pass the namespace that the publisher announces, e.g. "example.com/live" or ["example.com", "live"].';
  if (!Array.isArray(fields) || fields.length === 0 || !fields.every((field) => typeof field === "string")) {
    refuse("broadcast is neither a string nor a list of strings.", hint);
  }
  if (fields.some((field) => field === "")) refuse("broadcast has an empty field.", hint);
  if (fields.length > MAX_NAMESPACE_FIELDS) {
    refuse(`broadcast has ${fields.length} fields; a namespace has at most ${MAX_NAMESPACE_FIELDS}.`, hint);
  }
  const bytes = fields.reduce((sum, field) => sum + new TextEncoder().encode(field).byteLength, 0);
  if (bytes > MAX_NAMESPACE_BYTES)
    refuse(`broadcast has ${bytes} bytes; ${MAX_NAMESPACE_BYTES} are possible.`, hint);
  return [...fields];
}

function parsePeers(peers: readonly PeerInput[], option: string, what: string): PeerOptions[] {
  if (!Array.isArray(peers ?? [])) refuse(`${option} is not a list.`, `Pass a list with ${what}.`);
  const list = peers ?? [];
  if (list.length === 0) refuse(`${option} is empty.`, `Pass ${what}.`);
  if (list.length > MAX_PEERS)
    refuse(`${option} has ${list.length} peers; ${MAX_PEERS} are possible.`, "Leave some out.");
  const parsed = list.map((peer) => parsePeer(peer, option));
  return parsed.filter((peer, index) => parsed.findIndex((other) => other.url === peer.url) === index);
}

function parsePeer(peer: PeerInput, option: string): PeerOptions {
  const text = typeof peer === "string" ? peer : peer?.url;
  const hint = "Pass an absolute address such as https://relay.example:4443/moq.";
  if (typeof text !== "string") {
    throw new CountersignError("address-invalid", `A peer in ${option} has no address.`, { hint });
  }
  const url = parseUrl(text);
  if (url === undefined || url.hostname === "") {
    throw new CountersignError("address-invalid", `"${text}" in ${option} is no address.`, {
      hint,
      peer: text,
    });
  }
  if (url.protocol !== "https:" && url.protocol !== "moqt:") {
    throw new CountersignError("address-invalid", `"${text}" in ${option} is not an https:// address.`, {
      hint: "WebTransport is always encrypted: use https:// (or moqt://). For development, pin the certificate with certificateHashes.",
      peer: text,
    });
  }
  if (url.hash !== "") {
    throw new CountersignError(
      "address-invalid",
      `"${text}" in ${option} has a fragment, which WebTransport forbids.`,
      {
        hint: "Leave out # and what follows it.",
        peer: text,
      },
    );
  }
  const hashes = typeof peer === "string" ? undefined : peer.certificateHashes;
  if (hashes === undefined) return { url: text };
  return { url: text, certificateHashes: hashes.map((hash) => parseDigest(hash, text)) };
}

function parseUrl(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}

function parseDigest(hash: Uint8Array | string, peer: string): Uint8Array {
  const bytes = typeof hash === "string" ? bytesFromText(hash.replaceAll(":", "")) : hash;
  if (!(bytes instanceof Uint8Array) || bytes.byteLength !== KEY_BYTES) {
    throw new CountersignError("invalid-options", `A certificate digest for ${peer} is not a SHA-256.`, {
      hint: "Pass the SHA-256 of the certificate in DER: 32 bytes, or 64 hexadecimal digits.",
      peer,
    });
  }
  return new Uint8Array(bytes);
}

function parseRoots(roots: TrustOptions["roots"] | undefined): Uint8Array[] {
  const hint =
    "Pass the signer's Ed25519 public key in trust.roots: 32 bytes, 64 hexadecimal digits, or base64url.";
  if (!Array.isArray(roots ?? [])) refuse("trust.roots is not a list.", hint);
  const list = roots ?? [];
  if (list.length === 0) refuse("trust.roots is empty, so nothing could ever be trusted.", hint);
  return list.map((root, index) => {
    const bytes = typeof root === "string" ? bytesFromText(root) : root;
    if (!(bytes instanceof Uint8Array) || bytes.byteLength !== KEY_BYTES) {
      refuse(`trust.roots[${index}] is not a public key of ${KEY_BYTES} bytes.`, hint);
    }
    return new Uint8Array(bytes);
  });
}

function parseRedirects(redirects: PlayerOptions["redirects"]): RedirectOptions {
  if (redirects === false) return { maxHops: 0 };
  const { origins = [], maxHops } = redirects ?? {};
  if (!Array.isArray(origins)) refuse("redirects.origins is not a list.", "Pass a list of origins.");
  if (maxHops !== undefined && !(Number.isInteger(maxHops) && maxHops >= 0)) {
    refuse(
      `redirects.maxHops is ${String(maxHops)}.`,
      "Pass how many redirects one request may follow: 0, 1, ...",
    );
  }
  // Each is an address like a peer's, of which only the origin counts.
  const allowed = origins.map((origin: string) => parsePeer(origin, "redirects.origins").url);
  return { origins: allowed, ...(maxHops !== undefined && { maxHops }) };
}

function parseDiscover(discover: PlayerOptions["discover"]): Pick<OpenOptions, "discover"> {
  if (discover === undefined || discover === false) return {};
  const hosts = discover === true ? [] : (discover?.hosts ?? []);
  if (!Array.isArray(hosts) || !hosts.every((host) => typeof host === "string" && HOST_PATTERN.test(host))) {
    refuse(
      "discover.hosts is not a list of hosts.",
      'Pass hosts without scheme and port, e.g. ["relays.example.com", "*.relays.example.com"]; true for the hosts of the named relays only.',
    );
  }
  return { discover: { hosts: [...hosts] } };
}

/** 64 hexadecimal digits, base64url or base64; undefined for anything else. */
function bytesFromText(text: string): Uint8Array | undefined {
  if (/^[0-9a-fA-F]{64}$/.test(text)) {
    return Uint8Array.from({ length: KEY_BYTES }, (_, i) =>
      Number.parseInt(text.slice(2 * i, 2 * i + 2), 16),
    );
  }
  if (!/^[A-Za-z0-9_+/-]{43}=?$/.test(text)) return undefined;
  const binary = atob(text.replace("=", "").replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}
