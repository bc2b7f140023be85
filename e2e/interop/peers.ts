/**
 * The peers that others wrote: which version, how it is installed and started, what it speaks, and what it is known not to do.
 *
 * A limit listed here never hides a mistake of ours: it holds for a scenario only when the peer refuses in the words given, and those words are
 * shown. What fails in any other way fails the run.
 */
import { join } from "node:path";
import type { Version } from "../../src/wire/codec.ts";

export type Install =
  | {
      readonly tool: "cargo";
      readonly crate: string;
      readonly features: readonly string[];
      readonly binary: string;
      /** Whether the crate's own lock can be used. */
      readonly locked: boolean;
    }
  /** `package` with all of its module at the pinned version, as `go install` takes it. */
  | { readonly tool: "go"; readonly package: string; readonly binary: string };

export interface StartOptions {
  readonly port: number;
  /** Its own, to keep files in; gone after the run. */
  readonly folder: string;
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Addresses of other nodes to cluster with. */
  readonly clusterWith?: readonly string[];
  /** The number of the one draft it shall speak, of those that {@link PeerDefinition.restricts} says it can be restricted to. */
  readonly onlyDraft?: number;
}

export interface Limit {
  /** The peer's words, or those of the error that its behaviour leads to. */
  readonly words: RegExp;
  /** Where it holds only for some drafts. */
  readonly drafts?: readonly Version[];
}

export interface PeerDefinition {
  readonly name: string;
  readonly version: string;
  readonly install: Install;
  /** Drafts that it speaks over WebTransport, as far as we know some of them. */
  readonly drafts: readonly Version[];
  /** Path of its WebTransport endpoint. */
  readonly path: string;
  readonly args: (options: StartOptions) => readonly string[];
  /** It can be told to speak one draft alone, also one that we do not speak. */
  readonly restricts: boolean;
  /** Nodes of it can be joined by an address given to one of them. */
  readonly clusters: boolean;
  /** How it is made to send GOAWAY; undefined: it cannot be. */
  readonly goawayOn?: "SIGTERM";
  /** By name of scenario. */
  readonly limits: Readonly<Record<string, readonly Limit[]>>;
}

const MOQ_RELAY: PeerDefinition = {
  name: "moq-relay",
  version: "0.17.10",
  // Its lock names versions that are not to be had, so what it depends on is resolved anew: only the crate itself is pinned.
  install: { tool: "cargo", crate: "moq-relay", features: ["noq"], binary: "moq-relay", locked: false },
  drafts: ["moqt-19", "moqt-18", "moqt-17", "moqt-16", "moqt-15", "moqt-14"],
  path: "/",
  restricts: true,
  clusters: true,
  goawayOn: "SIGTERM",
  args: ({ port, certificateFile, keyFile, clusterWith = [], onlyDraft }) => [
    ...["--listen", `127.0.0.1:${port}`],
    ...["--listen-tls-cert", certificateFile, "--listen-tls-key", keyFile],
    ...["--auth-public", "**"],
    ...["--drain-timeout", "3s"],
    ...(onlyDraft === undefined ? [] : ["--listen-version", `moq-transport-${onlyDraft}`]),
    // The other node's certificate is as self-signed as ours, and loopback is all there is between them.
    ...(clusterWith.length > 0 ? ["--connect-tls-insecure=true"] : []),
    ...clusterWith.flatMap((url) => ["--cluster-connect", url]),
  ],
  limits: {
    "fetch, several groups": [{ words: /FETCH spanning several groups not supported/ }],
    "joining fetch": [{ words: /FETCH spanning several groups not supported|joining filter not supported/ }],
    "track status": [{ words: /TRACK_STATUS is not supported/ }],
    "update with forward 0 and 1": [{ words: /FORWARD=0 not supported/ }],
  },
};

const MOQ_RELAY_IETF: PeerDefinition = {
  name: "moq-relay-ietf",
  version: "0.8.0",
  install: { tool: "cargo", crate: "moq-relay-ietf", features: [], binary: "moq-relay-ietf", locked: true },
  drafts: ["moqt-18"],
  path: "/",
  restricts: false,
  clusters: false,
  args: ({ port, folder, certificateFile, keyFile }) => [
    ...["--bind", `127.0.0.1:${port}`, "--tls-cert", certificateFile, "--tls-key", keyFile],
    // Two relays with the same file are one cluster.
    ...["--coordinator-file", join(folder, "coordinator.json")],
  ],
  limits: {
    // REQUEST_ERROR NOT_SUPPORTED; its log says: "not implemented: subscription update parameters".
    "update with forward 0 and 1": [{ words: /subscription update failed/ }],
    "two publishers of one track": [{ words: /refused publish-namespace: uninterested/ }],
  },
};

const MOQ_GO: PeerDefinition = {
  name: "moq-go",
  // It has no releases: the commit is the version, and Go checks what it gets against its checksum database.
  version: "1e79c0c",
  install: { tool: "go", package: "github.com/floatdrop/moq-go/cmd/relay", binary: "relay" },
  drafts: ["moqt-18"],
  path: "/moq",
  restricts: false,
  clusters: false,
  goawayOn: "SIGTERM",
  args: ({ port, certificateFile, keyFile }) => [
    ...["-addr", `127.0.0.1:${port}`, "-cert", certificateFile, "-key", keyFile],
    ...["-webtransport", "-webtransport-path", "/moq"],
  ],
  limits: {},
};

export const PEERS: readonly PeerDefinition[] = [MOQ_RELAY, MOQ_RELAY_IETF, MOQ_GO];

/** Throws Error with the names there are. */
export function peerNamed(name: string): PeerDefinition {
  const peer = PEERS.find((candidate) => candidate.name === name);
  if (peer) return peer;
  throw new Error(`No peer is called "${name}". There are: ${PEERS.map((each) => each.name).join(", ")}.`);
}

/** Whether an error's text is what this peer is known to say to this scenario in this draft. */
export function isKnownLimit(peer: PeerDefinition, scenario: string, draft: Version, text: string): boolean {
  return (peer.limits[scenario] ?? []).some(
    ({ words, drafts }) => words.test(text) && (drafts === undefined || drafts.includes(draft)),
  );
}
