/**
 * An example of an app's own source of older media: groups in an object store on the web, read with plain GETs.
 *
 *   <base>/<track key, percent-encoded>/ranges.json   [["120", "7300"], ...]: first and last group of each stretch
 *   <base>/<track key>/<group>.json                   { complete, evidence: [base64], objects: [{ object, subgroup, priority, properties (base64), size }] }
 *   <base>/<track key>/<group>.bin                    the payloads, one after the other
 *
 * Pass its address to the player: `replay: { source: new URL("./http-source.js?base=https://media.example/archive/", import.meta.url) }`. The player's worker loads it. There is no secret to it and
 * nothing to trust: every object is checked against the signer's envelopes, which lie beside it.
 */
import type { GroupRange, GroupSource, StoredGroup } from "../../src/index.ts";

type Id = GroupRange["first"];

/** As in `<group>.json`. Ids are decimal text: they have up to 64 bits. */
export interface GroupDescription {
  readonly complete: boolean;
  readonly evidence: readonly string[];
  readonly objects: readonly {
    readonly object: string;
    readonly subgroup: string | null;
    readonly priority: number | null;
    readonly properties: string;
    readonly size: number;
  }[];
}

function id(text: string): Id {
  const value = BigInt(text);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

function bytes(base64: string): Uint8Array {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** A file of the store; undefined: certainly not there. Anything else that goes wrong is an error, and never an absence. */
async function get(url: URL, signal: AbortSignal | undefined): Promise<Response | undefined> {
  const response = await fetch(url, { ...(signal && { signal }) });
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  return response;
}

export function httpSource(base: string | URL): GroupSource {
  const file = (track: string, name: string): URL => new URL(`${encodeURIComponent(track)}/${name}`, base);

  const ranges = async (track: string, signal?: AbortSignal): Promise<readonly GroupRange[]> => {
    signal?.throwIfAborted();
    const response = await get(file(track, "ranges.json"), signal);
    const listed = ((await response?.json()) ?? []) as [string, string][];
    return listed.map(([first, last]) => ({ first: id(first), last: id(last) }));
  };

  return {
    ranges,
    oldest: async (track, signal) => (await ranges(track, signal))[0]?.first,
    group: async (track, group, signal): Promise<StoredGroup | undefined> => {
      signal?.throwIfAborted();
      const [described, payloads] = await Promise.all([
        get(file(track, `${group}.json`), signal),
        get(file(track, `${group}.bin`), signal),
      ]);
      if (described === undefined || payloads === undefined) return undefined;
      const { complete, evidence, objects } = (await described.json()) as GroupDescription;
      const data = new Uint8Array(await payloads.arrayBuffer());
      let at = 0;
      return {
        group,
        complete,
        evidence: evidence.map(bytes),
        objects: objects.map(({ object, subgroup, priority, properties, size }) => {
          const payload = data.subarray(at, at + size);
          at += size;
          return {
            group,
            object: id(object),
            subgroup: subgroup === null ? undefined : id(subgroup),
            priority: priority ?? undefined,
            status: "normal",
            properties: bytes(properties),
            payload,
          };
        }),
      };
    },
  };
}

/** What the player's worker looks for. */
export const groupSource = (): GroupSource => {
  const base = new URL(import.meta.url).searchParams.get("base");
  if (base === null) throw new Error("say where the media are: http-source.js?base=https://...");
  return httpSource(base);
};
