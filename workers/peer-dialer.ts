/** How the merge reaches peers: transport's connections, kept and dialed again. */
import type { Clock } from "../src/clock.ts";
import { CountersignError } from "../src/errors.ts";
import type { ConnectionProvider } from "../src/merge/connection-provider.ts";
import type { PeerOptions } from "../src/rpc/protocol.ts";
import type { TokenProvider } from "../src/transport/authorization.ts";
import { dialSession } from "../src/transport/dialing.ts";
import { fetchingByGroup } from "../src/transport/groupwise-fetch.ts";
import type { Dial } from "../src/transport/port.ts";
import { keepConnected, type PersistentConnection } from "../src/transport/reconnect.ts";
import { followingRedirects, type RedirectPolicy, redirectTarget } from "../src/transport/redirects.ts";
import type { Version } from "../src/wire/codec.ts";
import { supportedVersions } from "../src/wire/registry.ts";
import type { PeerKind, ReconnectNews } from "./reconnect-news.ts";

/**
 * Pauses before a lost peer is dialed again: ceilings from the first to the last, of which half is waited on average. Chromium makes a page wait that had failed handshakes in the
 * last minutes, all its peers counted together: about 10 ms doubled by each failure (measured: 0.5 s after 6, 7 s after 10, 42 s after 13). Dialing often is the slow way to come back.
 */
const REDIAL_BASE_MS = 500;
const REDIAL_MAX_MS = 8_000;

/** Longer than that wait: a dial that is given up counts as one more failure. QUIC itself goes on trying meanwhile. */
const CONNECT_TIMEOUT_MS = 75_000;

export interface PeerDialerOptions {
  readonly versions: readonly Version[];
  readonly dial: Dial;
  readonly clock: Clock;
  /** Where peers may send us. Default: to their own origin. */
  readonly redirects?: RedirectPolicy;
  readonly tokens?: TokenProvider;
  /** Told of connections that are lost and come back. */
  readonly news?: ReconnectNews;
}

/** All peers of one player. */
export class PeerDialer {
  readonly #options: PeerDialerOptions;
  readonly #kept = new Set<PersistentConnection>();
  readonly #hashes = new Map<string, readonly Uint8Array[]>();
  /** By address: found out once, where nothing is negotiated, a draft need not be searched for again. */
  readonly #spoken = new Map<string, Version>();

  constructor(options: PeerDialerOptions) {
    this.#options = options;
  }

  /** A peer that a provider may be asked for later. Throws as {@link provider} does. */
  learn(peer: PeerOptions): void {
    this.#hashes.set(peer.url, (peer.certificateHashes ?? []).map(digest));
  }

  /** A provider of connections to these peers, by their URLs. Throws CountersignError `invalid-options` for a certificate digest that is none. */
  provider(peers: readonly PeerOptions[], kind: PeerKind): ConnectionProvider {
    const { dial, clock, versions, redirects = {}, tokens, news } = this.#options;
    for (const peer of peers) this.learn(peer);
    return {
      keep: (source, listener) => {
        let open = false;
        const certificateHashes = this.#hashes.get(source) ?? [];
        const kept = keepConnected({
          clock,
          baseMs: REDIAL_BASE_MS,
          maxMs: REDIAL_MAX_MS,
          connect: async (signal, newUri) => {
            // The same origin as a relay that redirects has the same certificate.
            const open = async (url: string) => {
              const spokenBefore = this.#spoken.get(url);
              const connection = await dialSession(dial, {
                url,
                versions,
                clock,
                signal,
                connectTimeoutMs: CONNECT_TIMEOUT_MS,
                liveness: {},
                ...(spokenBefore && { spokenBefore }),
                ...(tokens && { tokens }),
                ...(certificateHashes.length > 0 && { certificateHashes }),
              });
              this.#spoken.set(url, connection.version as Version);
              return fetchingByGroup(connection);
            };
            const home = await open(newUri === "" ? source : redirectTarget(source, newUri, redirects));
            return followingRedirects(home, { connect: open, policy: redirects });
          },
          onState: (state) => {
            if (state.kind === "open") {
              open = true;
              listener.open(state.connection);
              if (state.resumed) news?.resumed(kind, source, state.resumed);
              this.wake();
            } else if (state.kind !== "connecting" && (open || state.error !== undefined)) {
              // Before the merge hears of it: what it does then is told behind its cause.
              if (open && state.kind === "backing-off") news?.lost(kind, source, state.error);
              open = false;
              listener.lost(state.error);
            }
          },
        });
        this.#kept.add(kept);
        return {
          close: () => {
            this.#kept.delete(kept);
            kept.close();
          },
        };
      },
    };
  }

  /** One peer answered, so the network is there: the others need not wait any longer. */
  wake(): void {
    for (const kept of this.#kept) kept.retryNow();
  }

  /** The network is back, or another one, or the machine has slept: sessions that look open may be dead, and those that are lost need not wait. */
  networkChanged(): void {
    for (const kept of this.#kept) kept.networkChanged();
  }
}

/** The versions that this build speaks, of those that are wanted. Throws "invalid-options" when that leaves none. */
export function checkedVersions(wanted: readonly string[] = supportedVersions): readonly Version[] {
  const known = wanted.filter((version): version is Version =>
    supportedVersions.includes(version as Version),
  );
  if (known.length > 0) return known;
  throw new CountersignError("invalid-options", `None of the versions ${wanted.join(", ")} is known.`, {
    hint: `This build speaks ${supportedVersions.join(", ")}.`,
  });
}

function digest(hash: Uint8Array | string): Uint8Array {
  if (typeof hash !== "string") return hash;
  if (!/^([0-9a-f]{2}){32}$/i.test(hash)) {
    throw new CountersignError(
      "invalid-options",
      `"${hash.slice(0, 80)}" is not the SHA-256 of a certificate.`,
      {
        hint: "Give 64 hexadecimal digits, or 32 bytes.",
      },
    );
  }
  return Uint8Array.from(hash.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
