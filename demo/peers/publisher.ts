/** The publisher and signer as a process; see publisher/publisher-flags.ts for what it takes. */
import { systemClock } from "../../src/clock.ts";
import { toCountersignError } from "../../src/errors.ts";
import { GroupCutter } from "../../src/publish/group-cutter.ts";
import { connect } from "../../src/transport/connect.ts";
import { importSeed } from "../../src/trust/keys.ts";
import { report, runPeer } from "./cluster/child.ts";
import { loadClip } from "./input/load-clip.ts";
import { Origin } from "./publisher/origin.ts";
import { PUBLISHER_USAGE, type PublisherFlags, parsePublisherFlags } from "./publisher/publisher-flags.ts";
import { dial } from "./webtransport/client.ts";

/** Pause before a lost relay is dialed again. One publisher, one relay: no storm to avoid, so it is short and fixed. */
const REDIAL_MS = 500;

/** Dialing a port where nobody listens takes QUIC's own time-out; this is shorter, so that a restarted relay is found soon. */
const CONNECT_TIMEOUT_MS = 2000;

async function stayConnected(
  origin: Origin,
  flags: PublisherFlags,
  stop: AbortSignal,
  onFirst: () => void,
): Promise<void> {
  while (!stop.aborted) {
    try {
      const connection = await connect(
        dial,
        {
          url: flags.relay,
          certificateHashes: flags.certificateHashes,
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
      report({ type: "log", text: `publishing ${flags.broadcast.join("/")} to ${flags.relay}` });
      onFirst();
      const { error } = await connection.closed;
      stop.removeEventListener("abort", close);
      if (!stop.aborted) report({ type: "log", text: `lost ${flags.relay}: ${error?.message ?? "closed"}` });
    } catch (thrown) {
      if (!stop.aborted)
        report({
          type: "log",
          text: `cannot reach ${flags.relay}: ${toCountersignError(thrown, "connect-failed").message}`,
        });
    }
    if (!stop.aborted) await new Promise((resolve) => setTimeout(resolve, REDIAL_MS));
  }
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
    cutter: new GroupCutter(assembled.clip, { objectMs: flags.objectMs }),
    epochMs: flags.epochMs,
    clock: systemClock,
    chunks: flags.publishChunks,
    encryption: flags.encryption,
    signingKey: flags.publishManifests && flags.seed ? await importSeed(flags.seed) : undefined,
  });
  const finished = new AbortController();
  const end = AbortSignal.any([stop, finished.signal]);
  const connected = stayConnected(origin, flags, end, () => report({ type: "ready" }));
  await origin.run({
    startupDelayMs: flags.startupDelayMs,
    historyMs: flags.historyMs,
    stopAfterMs: flags.stopAfterMs,
    signal: end,
  });
  finished.abort();
  await connected;
});
