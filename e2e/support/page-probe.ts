/** What a test sees of a page from inside. `installProbe` runs in the page before any of its scripts. */
import type { Player, PlayerEvents } from "../../src/index.ts";

export interface TracedDelivery {
  readonly type: "delivered" | "repair";
  /** Which merger: one per track. */
  readonly merger: number;
  readonly group: number;
  readonly object: number;
  readonly digest: string;
  readonly source: string;
  /** When it was found good, ms since 1970. */
  readonly atMs: number;
}

export interface SeenEvent {
  readonly type: keyof PlayerEvents;
  readonly atMs: number;
  /** As JSON has it. */
  readonly detail: Record<string, unknown>;
}

export interface Probe {
  /** WebTransport sessions constructed on the main thread. */
  mainThreadSessions: number;
  /** Addresses of sessions constructed in the worker; needs the trace prelude. */
  readonly workerSessions: string[];
  readonly deliveries: TracedDelivery[];
  /** SHA-256 of every chunk (moof and mdat) and every initialization segment that crossed from worker to page. */
  readonly media: { readonly kind: "chunk" | "init" | "other"; readonly digest: string }[];
  readonly events: SeenEvent[];
  /** Long tasks of the main thread, where the browser tells them. */
  readonly longTasksMs: number[];
}

export interface ProbeOptions {
  /** Modules, by their path on the server, that the player's worker runs before its own. */
  readonly preludes: readonly string[];
}

declare global {
  var __probe: Probe;
  var player: Player;
}

/** Self-contained: it is sent to the page as text. */
export function installProbe({ preludes }: ProbeOptions): void {
  const probe: Probe = {
    mainThreadSessions: 0,
    workerSessions: [],
    deliveries: [],
    media: [],
    events: [],
    longTasksMs: [],
  };
  globalThis.__probe = probe;

  if (typeof WebTransport === "function") {
    globalThis.WebTransport = new Proxy(WebTransport, {
      construct(target, args: [string, WebTransportOptions?]) {
        probe.mainThreadSessions += 1;
        return new target(...args);
      },
    });
  }

  const digest = async (bytes: Uint8Array<ArrayBuffer>): Promise<string> => {
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  /** Cuts media into chunks that end with an mdat, or takes it whole when it has none. */
  const split = (
    bytes: Uint8Array<ArrayBuffer>,
  ): { kind: "chunk" | "init" | "other"; bytes: Uint8Array<ArrayBuffer> }[] => {
    const view = new DataView(bytes.buffer);
    const pieces: { kind: "chunk" | "init" | "other"; bytes: Uint8Array<ArrayBuffer> }[] = [];
    let start = 0;
    let init = false;
    for (let at = 0; at + 8 <= bytes.length; ) {
      const size = view.getUint32(at);
      const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
      if (size < 8 || at + size > bytes.length) break;
      at += size;
      if (type === "moov") init = true;
      if (type === "mdat") {
        pieces.push({ kind: "chunk", bytes: bytes.slice(start, at) });
        start = at;
      }
    }
    if (start < bytes.length) pieces.push({ kind: init ? "init" : "other", bytes: bytes.slice(start) });
    return pieces;
  };
  const onMessage = ({ data }: MessageEvent): void => {
    const value: unknown = (data as { value?: unknown } | null)?.value;
    const media = (value as { kind?: unknown; data?: unknown } | undefined) ?? {};
    if (media.kind !== "media" || !(media.data instanceof ArrayBuffer)) return;
    for (const piece of split(new Uint8Array(media.data.slice(0)))) {
      void digest(piece.bytes).then((hash) => probe.media.push({ kind: piece.kind, digest: hash }));
    }
  };

  const channelName = `countersign-e2e-${crypto.randomUUID()}`;
  const NativeWorker = globalThis.Worker;
  globalThis.Worker = class extends NativeWorker {
    constructor(url: string | URL, options?: WorkerOptions) {
      const ours = String(url).includes("client.worker") && preludes.length > 0;
      const modules = [
        ...preludes.map((prelude) => new URL(prelude, location.href).href),
        new URL(url, location.href).href,
      ];
      const source = modules.map((module) => `import ${JSON.stringify(module)};`).join("\n");
      super(ours ? URL.createObjectURL(new Blob([source], { type: "text/javascript" })) : url, {
        ...options,
        name: channelName,
      });
      // Before Comlink's listener: afterwards a transferred buffer may be gone.
      this.addEventListener("message", onMessage);
    }
  };
  new BroadcastChannel(channelName).onmessage = ({ data }: MessageEvent): void => {
    const message = data as TracedDelivery | { readonly type: "session"; readonly url: string };
    if (message.type === "session") probe.workerSessions.push(message.url);
    else probe.deliveries.push(message);
  };

  if (
    typeof PerformanceObserver === "function" &&
    PerformanceObserver.supportedEntryTypes.includes("longtask")
  ) {
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) probe.longTasksMs.push(entry.duration);
    }).observe({ type: "longtask" });
  }

  const types: readonly (keyof PlayerEvents)[] = [
    "state",
    "ready",
    "source",
    "reconnecting",
    "resumed",
    "hole",
    "rejected",
    "autoplay",
    "firstframe",
    "warning",
    "error",
  ];
  const plain = (event: unknown): Record<string, unknown> =>
    JSON.parse(
      JSON.stringify(event, (_key, value: unknown) =>
        value instanceof Error
          ? { ...value, message: value.message }
          : typeof value === "bigint"
            ? String(value)
            : value,
      ),
    ) as Record<string, unknown>;
  let player: Player | undefined;
  // The page makes its player known as it makes it, before anything can have happened.
  Object.defineProperty(globalThis, "player", {
    configurable: true,
    get: () => player,
    set(made: Player) {
      player = made;
      for (const type of types) {
        made.on(type, (event) => probe.events.push({ type, atMs: Date.now(), detail: plain(event) }));
      }
    },
  });
}
