/** How the merge reaches peers: transport's connections, kept and dialed again. */
import type { Clock } from "../src/clock.ts";
import { CountersignError } from "../src/errors.ts";
import type { ConnectionProvider } from "../src/merge/connection-provider.ts";
import type { PeerOptions } from "../src/rpc/protocol.ts";
import { connect } from "../src/transport/connect.ts";
import type { Dial } from "../src/transport/port.ts";
import { keepConnected } from "../src/transport/reconnect.ts";
import type { Version } from "../src/wire/codec.ts";

/**
 * The first pause before a lost peer is dialed again. Chromium makes pages wait whose handshakes failed lately, twice as long with each failure and up to a minute, so dialing
 * often is the slow way to come back.
 */
const REDIAL_BASE_MS = 500;

/** The longest pause. Half of it on average: a relay that was restarted is back before its viewers' patience ends. */
const REDIAL_MAX_MS = 8_000;

/** Longer than that wait: a dial that is given up counts as one more failure. */
const CONNECT_TIMEOUT_MS = 75_000;

export interface PeerProviderOptions {
  readonly peers: readonly PeerOptions[];
  readonly versions: readonly Version[];
  readonly dial: Dial;
  readonly clock: Clock;
}

function digest(hash: Uint8Array | string): Uint8Array {
  if (typeof hash !== "string") return hash;
  if (!/^([0-9a-f]{2}){32}$/i.test(hash)) {
    throw new CountersignError("invalid-options", `"${hash.slice(0, 80)}" is not the SHA-256 of a certificate.`, {
      hint: "Give 64 hexadecimal digits, or 32 bytes.",
    });
  }
  return Uint8Array.from(hash.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** A provider of connections to these peers, by their URLs. Throws CountersignError `invalid-options` for a certificate digest that is none. */
export function peerProvider(options: PeerProviderOptions): ConnectionProvider {
  const { dial, clock, versions } = options;
  const hashes = new Map(options.peers.map((peer) => [peer.url, (peer.certificateHashes ?? []).map(digest)]));
  return {
    keep(source, listener) {
      let open = false;
      const certificateHashes = hashes.get(source) ?? [];
      return keepConnected({
        clock,
        baseMs: REDIAL_BASE_MS,
        maxMs: REDIAL_MAX_MS,
        connect: (signal) =>
          connect(dial, {
            url: source,
            versions,
            clock,
            signal,
            connectTimeoutMs: CONNECT_TIMEOUT_MS,
            liveness: {},
            ...(certificateHashes.length > 0 && { certificateHashes }),
          }),
        onState(state) {
          if (state.kind === "open") {
            open = true;
            listener.open(state.connection);
          } else if (state.kind !== "connecting" && (open || state.error !== undefined)) {
            open = false;
            listener.lost(state.error);
          }
        },
      });
    },
  };
}
