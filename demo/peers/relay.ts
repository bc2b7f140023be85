/**
 * The embedded relay as a process: `relay.ts --port N --cert FILE --key FILE`. Relays that are given the same `--directory URL#HEX` (any of them, by address and
 * certificate digest; may be repeated) know of each other; with `--edge` a relay reads from the others what nobody publishes to it.
 *
 * With `--files FOLDER` it keeps what passes through it there, beyond its `--cache-groups` in memory, and serves it after a restart: for 72 hours, or as `--retention HOURS` says;
 * `--retention TEXT=HOURS` does so for the tracks in whose printable name TEXT occurs.
 * `--token VALUE` lets only those subscribe and fetch who have it, `--redirect URL` sends them there. `--draft NAME` is the MOQT draft it speaks, to viewers and
 * to other relays alike: this server cannot negotiate one.
 */
import { createHash, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { systemClock } from "../../src/clock.ts";
import { versionOf } from "../../src/wire/registry.ts";
import { onCommand, report, runPeer } from "./cluster/child.ts";
import { tamperPort } from "./faults/byte-faults.ts";
import { honest, isFaultName } from "./faults/fault.ts";
import { ObjectMemory, tamperFetch, tamperSubscribe } from "./faults/object-faults.ts";
import { DEFAULT_RETENTION_MS } from "./relay/files/file-groups.ts";
import { gated } from "./relay/gate.ts";
import { type RelayAddress, startRelayNode } from "./relay/relay-node.ts";

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
      directory: { type: "string", multiple: true, default: [] },
      edge: { type: "boolean", default: false },
      files: { type: "string" },
      retention: { type: "string", multiple: true, default: [] },
      token: { type: "string" },
      redirect: { type: "string" },
      draft: { type: "string" },
      "cache-groups": { type: "string", default: String(CACHE_GROUPS) },
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
  const node = await startRelayNode({
    name: values.name,
    clock: systemClock,
    cacheGroups: Number(values["cache-groups"]),
    certificate: {
      certificatePem,
      keyPem: readFileSync(values.key, "utf8"),
      sha256: new Uint8Array(createHash("sha256").update(parsed.raw).digest()),
      notAfter: new Date(parsed.validTo),
    },
    port: Number(values.port),
    directory: values.directory.map(parseAddress),
    edge: values.edge,
    ...(values.files !== undefined && { files: values.files, retentionMs: retention(values.retention) }),
    ...(values.draft !== undefined && { versions: [versionOf(values.draft)] }),
    wrap: (session) => tamperPort(session, faults),
    filter: gated({ token: values.token, redirect: values.redirect }, filter),
    onLog: (text) => report({ type: "log", text }),
  });
  onCommand((command) => {
    if (command.type === "fault") faults.current = command.fault;
    else if (command.type === "stats")
      report({ type: "stats", stats: { ...node.relay.stats(), endless: faults.endless } });
    else if (command.type === "goaway") node.relay.goaway(GOAWAY_TIMEOUT_MS, command.newUri);
  });
  report({ type: "log", text: `relay ${values.name} listens on ${node.url}` });
  report({ type: "ready" });
  await new Promise<void>((resolve) => stop.addEventListener("abort", () => resolve()));
  await node.close();
});

/** "URL#HEX": where a relay is, and the SHA-256 of its certificate. */
function parseAddress(text: string): RelayAddress {
  const [url, certificateHash] = text.split("#");
  if (!url || !certificateHash || !/^[0-9a-f]{64}$/i.test(certificateHash))
    throw new Error(`--directory takes URL#HEX, not ${text}`);
  return { url, certificateHash: certificateHash.toLowerCase() };
}

/** "HOURS" for all tracks, "TEXT=HOURS" for those in whose name the text occurs; the first that fits counts. */
function retention(rules: readonly string[]): (track: string) => number {
  const parsed = rules.map((rule) => {
    const [, text = "", hours] = /^(?:(.*)=)?([\d.]+)$/.exec(rule) ?? [];
    if (hours === undefined) throw new Error(`--retention takes HOURS or TEXT=HOURS, not ${rule}`);
    return { text, ms: Number(hours) * 3_600_000 };
  });
  return (track) => parsed.find(({ text }) => track.includes(text))?.ms ?? DEFAULT_RETENTION_MS;
}
