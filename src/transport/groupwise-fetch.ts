/**
 * Fetching from relays that answer a FETCH of one group only (moq-relay 0.17: "FETCH spanning several groups not supported").
 *
 * A wider fetch that a relay refuses as NOT_SUPPORTED is asked again group by group, one after the other; from then on wider ones are cut up at once. A joining
 * fetch becomes the same range up to where its subscription began. Whoever asks sees one fetch either way.
 */
import { CountersignError } from "../errors.ts";
import { requestErrors } from "../wire/codes.ts";
import type { VarInt } from "../wire/varint.ts";
import { addVarInt, subVarInt } from "../wire/varint.ts";
import type { Connection, FetchOptions, FetchResult, JoiningFetchOptions, ObjectSink } from "./connection.ts";

/** The same connection, with fetches that such a relay can answer too. Rejects as before, and with the first refusal of a group. */
export function fetchingByGroup(connection: Connection): Connection {
  let oneGroupOnly = false;

  async function orByGroup(
    whole: () => Promise<FetchResult>,
    pieces: FetchOptions | undefined,
    sink: ObjectSink,
  ): Promise<FetchResult> {
    if (pieces === undefined || pieces.end.group < pieces.start.group) return whole();
    const wide = pieces.end.group > pieces.start.group;
    if (!wide || !oneGroupOnly) {
      try {
        return await whole();
      } catch (thrown) {
        if (!isNotSupported(thrown)) throw thrown;
        oneGroupOnly ||= wide;
      }
    }
    return byGroup(pieces, sink);
  }

  async function byGroup(options: FetchOptions, sink: ObjectSink): Promise<FetchResult> {
    const { start, end } = options;
    const descending = options.groupOrder === "descending";
    const groups = Number(subVarInt(end.group, start.group)) + 1;
    let last: FetchResult | undefined;
    for (let i = 0; i < groups; i++) {
      const group = addVarInt(start.group, descending ? groups - 1 - i : i);
      const result = await connection.fetch(
        {
          ...options,
          start: group === start.group ? start : { group, object: 0 },
          end: group === end.group ? end : { group },
        },
        sink,
      );
      if (group === end.group) last = result;
    }
    return last ?? { end, endOfTrack: false };
  }

  const own: Pick<Connection, "fetch" | "joiningFetch"> = {
    fetch: (options, sink) =>
      options.end.group === options.start.group
        ? connection.fetch(options, sink)
        : orByGroup(() => connection.fetch(options, sink), options, sink),
    joiningFetch: (options, sink) =>
      orByGroup(() => connection.joiningFetch(options, sink), joinedRange(options), sink),
  };
  // What is not named here is the connection's own, its accessors included.
  return Object.assign(Object.create(connection) as Connection, own);
}

/** What a joining fetch stands for (§10.12.2), as far as we can tell; undefined when nothing was published before the subscription. */
function joinedRange({
  subscription,
  start,
  priority,
  signal,
}: JoiningFetchOptions): FetchOptions | undefined {
  const { largest, track } = subscription;
  if (largest === undefined) return undefined;
  const group: VarInt =
    "absolute" in start
      ? start.absolute
      : start.relative < largest.group
        ? subVarInt(largest.group, start.relative)
        : 0;
  return {
    track,
    start: { group, object: 0 },
    end: largest,
    ...(priority !== undefined && { priority }),
    ...(signal && { signal }),
  };
}

function isNotSupported(thrown: unknown): boolean {
  return (
    thrown instanceof CountersignError &&
    thrown.code === "request-rejected" &&
    thrown.protocolCode === requestErrors["not-supported"]
  );
}
