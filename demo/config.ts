/** What the page plays and what it may switch: from the launcher, or from the address bar when the page stands alone. */
import type { AuthorizationProvider, EncryptionOptions, PlayerOptions } from "../src/index.ts";

export interface DemoPeer {
  readonly name: string;
  readonly url: string;
  readonly kind: "objects" | "manifests";
  readonly running: boolean;
  readonly fault: string;
}

export interface DemoConfig {
  readonly player: Pick<PlayerOptions, "broadcast" | "objects" | "manifests" | "trust" | "discover">;
  /** Peers that the visitor can stop, start and corrupt; empty when the page does not run beside its launcher. */
  readonly peers: readonly DemoPeer[];
  /** Absent: this page has no keys to give. */
  readonly encryption?: EncryptionOptions;
  readonly faults: Readonly<Record<string, string>>;
}

/** What the launcher says of the broadcast's keys. */
type LauncherConfig = DemoConfig & { readonly encrypted?: boolean };

const REMEMBERED_KEYS = "countersign-demo-keys";

/**
 * Keys of the launcher's broadcast, from the launcher. They are remembered, so that what is stored plays when everything else is gone; an app that protects something would
 * keep them as CryptoKeys that cannot be exported, in IndexedDB.
 */
const launcherKeys: EncryptionOptions = {
  async keyProvider({ broadcast, keyId }) {
    const remembered = JSON.parse(localStorage.getItem(REMEMBERED_KEYS) ?? "{}") as Record<string, string>;
    const name = `${broadcast.join("/")} ${keyId}`;
    try {
      const response = await fetch(`/demo/key?id=${keyId}`);
      if (!response.ok) throw new Error(`the launcher answered ${response.status}`);
      const { key } = (await response.json()) as { key: string };
      localStorage.setItem(REMEMBERED_KEYS, JSON.stringify({ ...remembered, [name]: key }));
      return key;
    } catch (error) {
      if (remembered[name] === undefined) throw error;
      return remembered[name];
    }
  },
};

/** `key=1:HEX,2:HEX` */
function keysFromAddress(params: URLSearchParams): EncryptionOptions | undefined {
  const keys = list(params, "key").map((key) => key.split(":"));
  return keys.length === 0 ? undefined : { keys: Object.fromEntries(keys) as Record<string, string> };
}

export type PeerAction =
  | { readonly action: "stop" | "start" }
  | { readonly action: "fault"; readonly fault: string };

function list(params: URLSearchParams, name: string): string[] {
  return params.getAll(name).flatMap((value) => value.split(","));
}

/** `?broadcast=a/b&objects=URL&manifests=URL&root=HEX[&hash=HEX][&key=ID:HEX]`: plays any broadcast, with no launcher. */
function fromAddress(params: URLSearchParams): DemoConfig | undefined {
  const broadcast = params.get("broadcast");
  if (broadcast === null) return undefined;
  const certificateHashes = list(params, "hash");
  const encryption = keysFromAddress(params);
  const peer = (url: string) => ({ url, certificateHashes });
  return {
    player: {
      broadcast,
      objects: list(params, "objects").map(peer),
      manifests: list(params, "manifests").map(peer),
      trust: { roots: list(params, "root") },
    },
    peers: [],
    ...(encryption && { encryption }),
    faults: {},
  };
}

/** What the address bar says of storing: `replay=off`, or any of `backfill=24h&store=opfs&source=URL&maxBytes=5000000`. */
function replayFromAddress(params: URLSearchParams): PlayerOptions["replay"] {
  if (params.get("replay") === "off") return false;
  const backfill = params.get("backfill");
  const source = params.get("source");
  const maxBytes = params.get("maxBytes");
  return {
    ...(backfill !== null && { backfill }),
    ...(params.get("store") === "opfs" && { store: "opfs" as const }),
    ...(source !== null && { source }),
    ...(maxBytes !== null && { maxBytes: Number(maxBytes) }),
  };
}

/** One token after the other: the next one when a relay refuses the last. */
function tokensFrom(tokens: readonly string[]): AuthorizationProvider {
  let current = 0;
  return ({ refresh }) => {
    if (refresh) current = Math.min(current + 1, tokens.length - 1);
    return tokens[current];
  };
}

/** Options that the address bar may add to either: `?target=150&resume=position&replay=off&backfill=24h&discover&draft=moqt-18&token=T&redirects=https://b.example`. */
export function optionsFromAddress(params: URLSearchParams): Partial<PlayerOptions> {
  const target = params.get("target");
  const redundancy = params.get("redundancy");
  const redirects = list(params, "redirect");
  return {
    ...(redundancy !== null && { redundancy: Number(redundancy) }),
    ...(redirects.length > 0 && { redirects: { origins: redirects } }),
    ...(target !== null && { targetLatencyMs: Number(target) }),
    ...(params.get("resume") === "position" && { resume: "position" as const }),
    replay: replayFromAddress(params) ?? true,
    ...(params.has("redirects") && { redirects: { origins: list(params, "redirects") } }),
    ...(params.has("token") && { authorization: tokensFrom(list(params, "token")) }),
    ...(params.has("redundancy") && { redundancy: Number(params.get("redundancy")) }),
    ...(params.has("discover") && { discover: true }),
    ...(params.has("draft") && { versions: list(params, "draft") }),
  };
}

const REMEMBERED = "countersign-demo-config";

/** The launcher's configuration is remembered, so that the page finds its stored broadcast again when everything else is gone. */
export async function loadConfig(params: URLSearchParams): Promise<DemoConfig> {
  const given = fromAddress(params);
  if (given) return given;
  try {
    const response = await fetch("/demo/config.json");
    if (!response.ok) throw new Error(`the launcher answered ${response.status}`);
    const config = (await response.json()) as LauncherConfig;
    localStorage.setItem(REMEMBERED, JSON.stringify({ ...config, peers: [] }));
    return withKeys(config);
  } catch (error) {
    const remembered = localStorage.getItem(REMEMBERED);
    if (remembered !== null) return withKeys(JSON.parse(remembered) as LauncherConfig);
    throw error;
  }
}

function withKeys(config: LauncherConfig): DemoConfig {
  return config.encrypted ? { ...config, encryption: launcherKeys } : config;
}

/** Resolves with the peers as they are afterwards. */
export async function control(peer: string, action: PeerAction): Promise<readonly DemoPeer[]> {
  const response = await fetch("/demo/control", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ peer, ...action }),
  });
  const answer = (await response.json()) as { peers?: readonly DemoPeer[]; error?: string };
  if (!response.ok || !answer.peers)
    throw new Error(answer.error ?? `the launcher answered ${response.status}`);
  return answer.peers;
}
