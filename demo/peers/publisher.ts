/** The publisher and signer as a process; see publisher/publisher-flags.ts for what it takes. */
import { systemClock } from "../../src/clock.ts";
import { toCountersignError } from "../../src/errors.ts";
import { GroupCutter } from "../../src/publish/group-cutter.ts";
import { connect } from "../../src/transport/connect.ts";
import { report, runPeer } from "./cluster/child.ts";
import { loadClip } from "./input/load-clip.ts";
import { Origin } from "./publisher/origin.ts";
import { PUBLISHER_USAGE, type PublisherFlags, parsePublisherFlags } from "./publisher/publisher-flags.ts";
import { onNewKeys, readSignerKeys } from "./publisher/signer-keys.ts";
import { dial } from "./webtransport/client.ts";

/** Pause before a lost relay is dialed again. One publisher, one relay: no storm to avoid, so it is short and fixed. */
const REDIAL_MS = 500;

/** Dialing a port where nobody listens takes QUIC's own time-out; this is shorter, so that a restarted relay is found soon. */
const CONNECT_TIMEOUT_MS = 2000;

interface Relay {
  readonly url: string;
  readonly certificateHashes: readonly Uint8Array[];
}

async function stayConnected(
  origin: Origin,
  { url, certificateHashes }: Relay,
  flags: PublisherFlags,
  stop: AbortSignal,
  onFirst: () => void,
): Promise<void> {
  while (!stop.aborted) {
    try {
      const connection = await connect(
        dial,
        {
          url,
          certificateHashes,
          ...(flags.drafts && { versions: flags.drafts }),
          connectTimeoutMs: CONNECT_TIMEOUT_MS,
          liveness: {},
          implementation: "countersign publisher",
          signal: stop,
        },
        origin.handlers,
      );
      const close = (): void => connection.close(0, "publisher stops");
      stop.addEventListener("abort", close);
      await connection.publishNamespace(origin.namespace);
      report({ type: "log", text: `publishing ${flags.broadcast.join("/")} to ${url}` });
      onFirst();
      const { error } = await connection.closed;
      stop.removeEventListener("abort", close);
      if (!stop.aborted) report({ type: "log", text: `lost ${url}: ${error?.message ?? "closed"}` });
    } catch (thrown) {
      if (!stop.aborted)
        report({
          type: "log",
          text: `cannot reach ${url}: ${toCountersignError(thrown, "connect-failed").message}`,
        });
    }
    if (!stop.aborted) await new Promise((resolve) => setTimeout(resolve, REDIAL_MS));
  }
}

async function signerKeysOf({ publishManifests, seed, delegations }: PublisherFlags) {
  if (!publishManifests || !seed) return undefined;
  const hex = { seed: Buffer.from(seed).toString("hex"), delegations, successions: [], revocations: [] };
  return await readSignerKeys(hex);
}

await runPeer(async (stop) => {
  if (process.argv.includes("--help")) {
    process.stdout.write(`${PUBLISHER_USAGE}\n`);
    return;
  }
  const flags = parsePublisherFlags(process.argv.slice(2));
  const assembled = await loadClip(flags.input);
  const origin = new Origin({
    broadcast: flags.broadcast,
    cutter: new GroupCutter(assembled.clip, { objectMs: flags.objectMs, groupMs: flags.groupMs }),
    epochMs: flags.epochMs,
    clock: systemClock,
    chunks: flags.publishChunks,
    timeline: flags.timeline,
    encryption: flags.encryption,
    signerKeys: await signerKeysOf(flags),
    streamId: flags.streamId,
  });
  onNewKeys((keys) => void origin.setKeys(keys));
  const finished = new AbortController();
  const end = AbortSignal.any([stop, finished.signal]);
  const main = { url: flags.relay, certificateHashes: flags.certificateHashes };
  const connected = [
    stayConnected(origin, main, flags, end, () => report({ type: "ready" })),
    ...flags.alsoRelays.map(({ url, certificateHash }) =>
      stayConnected(origin, { url, certificateHashes: [certificateHash] }, flags, end, () => undefined),
    ),
  ];
  await origin.run({
    startupDelayMs: flags.startupDelayMs,
    historyMs: flags.historyMs,
    stopAfterMs: flags.stopAfterMs,
    signal: end,
  });
  finished.abort();
  await Promise.all(connected);
});
