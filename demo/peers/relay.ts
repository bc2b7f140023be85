/** The embedded relay as a process: `relay.ts --port N --cert FILE --key FILE`. */
import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { systemClock } from "../../src/clock.ts";
import { accept } from "../../src/transport/connect.ts";
import { onCommand, report, runPeer } from "./cluster/child.ts";
import { tamperPort } from "./faults/byte-faults.ts";
import { honest, isFaultName } from "./faults/fault.ts";
import { ObjectMemory, tamperFetch, tamperSubscribe } from "./faults/object-faults.ts";
import { Relay } from "./relay/relay.ts";
import { WebTransportServer } from "./webtransport/server.ts";

/** A minute of one-second groups, as the publishers keep. */
const CACHE_GROUPS = 60;

const GOAWAY_TIMEOUT_MS = 2000;

await runPeer(async (stop) => {
  const { values } = parseArgs({
    options: {
      name: { type: "string", default: "relay" },
      port: { type: "string" },
      cert: { type: "string" },
      key: { type: "string" },
      fault: { type: "string", default: "none" },
    },
  });
  if (values.port === undefined || values.cert === undefined || values.key === undefined)
    throw new Error("--port, --cert and --key are needed");
  if (!isFaultName(values.fault)) throw new Error(`no fault is called ${values.fault}`);
  const certificatePem = readFileSync(values.cert, "utf8");
  const parsed = new X509Certificate(certificatePem);

  const faults = honest();
  faults.current = values.fault;
  const memory = new ObjectMemory();
  const filter = {
    subscribe: (request: Parameters<typeof tamperSubscribe>[0]) => tamperSubscribe(request, faults, memory),
    fetch: (request: Parameters<typeof tamperFetch>[0]) => tamperFetch(request, faults, memory),
  };
  const relay = new Relay({ clock: systemClock, cacheGroups: CACHE_GROUPS });
  const server = await WebTransportServer.listen({
    certificate: {
      certificatePem,
      keyPem: readFileSync(values.key, "utf8"),
      sha256: new Uint8Array(createHash("sha256").update(parsed.raw).digest()),
      notAfter: new Date(parsed.validTo),
    },
    port: Number(values.port),
    onSession: (session, url) => {
      relay
        .serve(
          (handlers) =>
            accept(
              tamperPort(session, faults),
              { url: url.href, implementation: `countersign relay ${values.name}` },
              handlers,
            ),
          filter,
        )
        .catch((error: unknown) =>
          report({
            type: "log",
            text: `a session failed: ${error instanceof Error ? error.message : error}`,
          }),
        );
    },
  });
  onCommand((command) => {
    if (command.type === "fault") faults.current = command.fault;
    else if (command.type === "stats")
      report({ type: "stats", stats: { ...relay.stats(), endless: faults.endless } });
    else relay.goaway(GOAWAY_TIMEOUT_MS);
  });
  report({ type: "log", text: `relay ${values.name} listens on ${server.url}` });
  report({ type: "ready" });
  await new Promise<void>((resolve) => stop.addEventListener("abort", () => resolve()));
  relay.close();
  await server.close();
});
