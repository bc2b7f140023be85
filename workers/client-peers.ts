/** The peers of one player: who is dialed, how they are authorized, and what the page is told when one is lost or comes back. */
import type { Clock } from "../src/clock.ts";
import type { ErrorCode } from "../src/errors.ts";
import { SourcePool } from "../src/merge/source-pool.ts";
import type { OpenOptions, PageApi, PeerOptions } from "../src/rpc/protocol.ts";
import type { Dial } from "../src/transport/port.ts";
import { checkedVersions, PeerDialer } from "./peer-dialer.ts";
import { ReconnectNews, type ReconnectNewsOptions } from "./reconnect-news.ts";
import { tokenSource } from "./token-source.ts";
import { watchWakeUps } from "./wake-watch.ts";

export interface ClientPeersOptions extends ReconnectNewsOptions {
  readonly options: OpenOptions;
  readonly page: PageApi | undefined;
  readonly dial: Dial;
  readonly clock: Clock;
  /** Calls back whenever the machine says that it has a network again, or another one. */
  readonly onOnline?: ((listener: () => void) => void) | undefined;
}

/** What a peer refused for reasons that the app can mend; each is told once per peer, however often it is asked again. */
const FOR_THE_APP: ReadonlySet<ErrorCode> = new Set(["unauthorized", "redirect-refused"]);

export class ClientPeers {
  readonly manifests: SourcePool;
  readonly objects: SourcePool;
  readonly #dialer: PeerDialer;
  readonly #stopWatch: () => void;

  /** Dials at once. Throws CountersignError `invalid-options` for versions that this build does not speak and digests that are none. */
  constructor({ options, page, dial, clock, onOnline, ...news }: ClientPeersOptions) {
    const tokens = tokenSource(options.authorization, page, clock);
    const dialer = new PeerDialer({
      versions: checkedVersions(options.versions),
      dial,
      clock,
      news: new ReconnectNews(news),
      ...(options.redirects && { redirects: options.redirects }),
      ...(tokens && { tokens }),
    });
    this.#dialer = dialer;
    onOnline?.(() => dialer.networkChanged());
    this.#stopWatch = watchWakeUps(clock, () => dialer.networkChanged());
    const { manifests, objects, redundancy } = options;
    this.manifests = new SourcePool({
      clock,
      provider: dialer.provider(manifests, "manifests"),
      sources: manifests.map(({ url }) => url),
    });
    this.objects = new SourcePool({
      clock,
      provider: dialer.provider(objects, "objects"),
      sources: objects.map(({ url }) => url),
      ...(redundancy !== undefined && { redundancy }),
    });
    const told = new Set<string>();
    for (const pool of [this.manifests, this.objects]) {
      pool.on("problem", ({ source, error }) => {
        const problem = `${source} ${error.code}`;
        if (!FOR_THE_APP.has(error.code) || told.has(problem)) return;
        told.add(problem);
        news.emit({ type: "warning", error: error.toData() });
      });
    }
  }

  /** How to reach a peer that is about to join one of the pools. Throws like the constructor. */
  learn(peer: PeerOptions): void {
    this.#dialer.learn(peer);
  }

  close(): void {
    this.#stopWatch();
    this.manifests.close();
    this.objects.close();
  }
}
