/** A {@link MoqtCodec} of a draft with one control stream: its message tables and its dialects say how it differs. */
import type { Capabilities, MoqtCodec, Version } from "../codec.ts";
import type { ControlMessage } from "../messages.ts";
import type { SharedMessage } from "../shared-messages.ts";
import type { VarInt } from "../varint.ts";
import { unencodable } from "../writer.ts";
import { EarlyDataStreamDecoder } from "./data-streams.ts";
import { type DataDialect, peekUniStream } from "./data-types.ts";
import { decodeDatagram, encodeDatagram } from "./datagrams.ts";
import {
  encodeFetchGap,
  encodeFetchHeader,
  encodeFetchObject,
  encodeSubgroupHeader,
  encodeSubgroupObject,
} from "./encode-streams.ts";
import { violation } from "./faults.ts";
import { MessageDecoder, type MessageReader } from "./framing.ts";

type Readers<M> = ReadonlyMap<VarInt, MessageReader<M>>;

export interface EarlyMessages {
  /** Readers of the control stream, by who sends. */
  readonly control: Readonly<Record<"client" | "server", Readers<SharedMessage>>>;
  /** Readers of streams of single requests; empty where the draft has none. */
  readonly request: Readers<ControlMessage>;
  encodeShared(message: SharedMessage, role: "client" | "server"): Uint8Array<ArrayBuffer>;
  encodeOnRequestStream(message: ControlMessage, requestId: VarInt): Uint8Array<ArrayBuffer>;
}

/** What drafts 14 to 16 have in common, and what came only later. */
export const earlyCapabilities: Capabilities = {
  unidirectionalControl: false,
  requestStreams: false,
  inBandVersion: false,
  maxRequestId: true,
  severalSubscriptions: false,
  goawayNamesRequest: false,
  rangeFilters: false,
  announcementsExpire: false,
  tracksTakeDefaults: false,
  updateLimit: false,
  sessionTracks: false,
  namespaceStreams: false,
  updatesAnswered: true,
  updatesOfAll: false,
};

export function earlyCodec(
  version: Version,
  capabilities: Capabilities,
  messages: EarlyMessages,
  data: DataDialect,
): MoqtCodec {
  const section = `${data.draft} §9`;
  const decoder = <M>(readers: Readers<M>, where: string) =>
    new MessageDecoder(section, (id) => {
      const reader = readers.get(id);
      if (!reader) {
        throw violation(
          { section },
          `The peer sent a message of type 0x${id.toString(16)}, which has no place on ${where}.`,
        );
      }
      return reader;
    });
  return {
    version,
    draft: data.draft,
    capabilities,
    encodeMessage: (message, requestId = 0) => messages.encodeOnRequestStream(message, requestId),
    controlDecoder: () => decoder(messages.request, "a request stream"),
    encodeSetup: (setup, role) => {
      if (role === "server" && (setup.authority !== undefined || setup.path !== undefined)) {
        throw unencodable("A server's SETUP has neither AUTHORITY nor PATH.", `${data.draft} §9.3`);
      }
      return messages.encodeShared(setup, role);
    },
    shared: {
      encode: messages.encodeShared,
      decoder: (peer) => decoder(messages.control[peer], "the control stream"),
    },
    peekUniStream: (bytes) => peekUniStream(bytes, data),
    dataStreamDecoder: (sink, maxObjectBytes) => new EarlyDataStreamDecoder(data, sink, maxObjectBytes),
    decodeDatagram: (bytes) => decodeDatagram(bytes, data),
    encodeSubgroupHeader: (header) => encodeSubgroupHeader(header, data),
    encodeSubgroupObject: (object, header, previous) => encodeSubgroupObject(object, header, previous, data),
    encodeFetchHeader,
    encodeFetchObject: (object, previous) => encodeFetchObject(object, previous, data),
    encodeFetchGap: (gap) => encodeFetchGap(gap, data),
    encodeDatagram: (trackAlias, object, endOfGroup) => encodeDatagram(trackAlias, object, endOfGroup, data),
  };
}
