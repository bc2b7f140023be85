/**
 * A stage of embedded relays, publishers that do as they are told, and a viewer in a page: what becomes of a track that comes from several origins.
 *
 * The viewer is the client's own session and merger in a real browser, without trust, so that a test may publish whatever it likes.
 */
import type { Page } from "@playwright/test";
import { PeerProcess } from "../../demo/peers/cluster/peer-process.ts";

/** JSON has no 64-bit integers. */
export type Id = number | `${bigint}`;

/** What the stage's process is told to do. Publishers of one name are one, whichever relay they join. */
export type StageAct =
  | { readonly do: "join"; readonly who: string; readonly at: string; readonly refuses?: boolean }
  /** Closes its session, as one does whose process dies. */
  | { readonly do: "leave"; readonly who: string }
  /** Reads the track at one relay and offers it to another. */
  | { readonly do: "feed"; readonly from: string; readonly to: string }
  | {
      readonly do: "put";
      readonly by: readonly string[];
      readonly group: Id;
      readonly objects: readonly Id[];
    }
  | {
      readonly do: "end";
      readonly by: readonly string[];
      readonly group: Id;
      readonly how: "fin" | "reset";
    }
  /** Waits until a relay has so many subscribers, a publisher one, a relay so many different objects. */
  | { readonly do: "watched"; readonly at: string; readonly by: number }
  | { readonly do: "read"; readonly who: string }
  | { readonly do: "arrived"; readonly at: string; readonly objects: number };

export interface StageAddresses {
  readonly control: string;
  readonly certificateHash: readonly number[];
  /** Addresses by name. */
  readonly relays: Readonly<Record<string, string>>;
}

/** What came to the page, in the order in which it came. */
export interface Seen {
  /** Every object of every session: "session group/object". */
  readonly received: readonly string[];
  /** What the client's merger passed on: "group/object". */
  readonly delivered: readonly string[];
  /** Subgroup streams that began: "session group". */
  readonly streams: readonly string[];
  /** "session group fin" or "session group reset". */
  readonly ends: readonly string[];
}

declare global {
  var __stage: {
    readonly seen: Seen;
    readonly fetch: (session: number, first: number, last: number) => Promise<readonly string[]>;
  };
}

export class Stage {
  readonly #process: PeerProcess;
  readonly #addresses: StageAddresses;

  private constructor(process: PeerProcess, addresses: StageAddresses) {
    this.#process = process;
    this.#addresses = addresses;
  }

  /** Starts relays by name, each with the number of groups that its cache holds. */
  static async start(relays: Readonly<Record<string, number>>): Promise<Stage> {
    let addresses: StageAddresses | undefined;
    const process = new PeerProcess({
      name: "stage",
      program: "../../e2e/support/stage-peer.ts",
      args: Object.entries(relays).flatMap(([name, groups]) => ["--relay", `${name}:${groups}`]),
      onLog: (text) => {
        if (text.startsWith("{")) addresses = JSON.parse(text) as StageAddresses;
      },
    });
    await process.start();
    if (addresses === undefined) throw new Error("The stage did not say how to reach it.");
    return new Stage(process, addresses);
  }

  async stop(): Promise<void> {
    await this.#process.stop();
  }

  /** Resolves when it is done. */
  async act(...acts: readonly StageAct[]): Promise<void> {
    for (const act of acts) {
      const response = await fetch(this.#addresses.control, { method: "POST", body: JSON.stringify(act) });
      if (!response.ok) throw new Error(await response.text());
    }
  }

  /** A whole group from each of these publishers. */
  async air(by: readonly string[], group: Id, objects: readonly Id[] = [0, 1, 2, 3]): Promise<void> {
    await this.act({ do: "put", by, group, objects }, { do: "end", by, group, how: "fin" });
  }

  /** Opens a session from the page to each of these relays (one may be named twice), subscribes, and merges what comes. */
  async watch(page: Page, relays: readonly string[]): Promise<void> {
    const { certificateHash } = this.#addresses;
    const urls = relays.map((name) => this.#addresses.relays[name] ?? "");
    await page.evaluate(
      async ({ urls, certificateHash }) => {
        const load = (path: string) => import(new URL(path, location.href).href);
        const { connect } = (await load(
          "/src/transport/connect.ts",
        )) as typeof import("../../src/transport/connect.ts");
        const { browserDial } = (await load(
          "/src/transport/browser-dial.ts",
        )) as typeof import("../../src/transport/browser-dial.ts");
        const { systemClock } = (await load("/src/clock.ts")) as typeof import("../../src/clock.ts");
        const { forwardingMerger } = (await load(
          "/src/merge/track-merger.ts",
        )) as typeof import("../../src/merge/track-merger.ts");
        const { namespaceOf, trackOf } = (await load(
          "/src/wire/names.ts",
        )) as typeof import("../../src/wire/names.ts");
        const track = trackOf(namespaceOf("example.com", "live"), "video");
        const merger = forwardingMerger({ clock: systemClock });
        const received: string[] = [];
        const delivered: string[] = [];
        const streams: string[] = [];
        const ends: string[] = [];
        merger.on("delivered", ({ object }) => delivered.push(`${object.group}/${object.object}`));
        const connections = await Promise.all(
          urls.map((url) =>
            connect(browserDial, { url, certificateHashes: [new Uint8Array(certificateHash)] }),
          ),
        );
        for (const [session, connection] of connections.entries()) {
          const inner = merger.sink(`session ${session}`, "subscription");
          merger.addSource(`session ${session}`);
          await connection.subscribe(
            { track, filter: { type: "largest-object" } },
            {
              // Without the merger's accept(): what a relay sends twice shall be seen here.
              streamStart: (header) => {
                streams.push(`${session} ${header.group}`);
                inner.streamStart?.(header);
              },
              object: (object) => {
                received.push(`${session} ${object.group}/${object.object}`);
                inner.object(object);
              },
              streamEnd: (end) => {
                ends.push(`${session} ${end.group} ${end.complete ? "fin" : "reset"}`);
                inner.streamEnd?.(end);
              },
            },
          );
        }
        globalThis.__stage = {
          seen: { received, delivered, streams, ends },
          fetch: async (session, first, last) => {
            const fetched: string[] = [];
            await connections[session]?.fetch(
              { track, start: { group: first, object: 0 }, end: { group: last } },
              { object: ({ group, object }) => fetched.push(`${group}/${object}`) },
            );
            return fetched;
          },
        };
      },
      { urls, certificateHash },
    );
  }
}

export async function seenBy(page: Page): Promise<Seen> {
  return await page.evaluate(() => globalThis.__stage.seen);
}
