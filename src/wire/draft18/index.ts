/** draft-ietf-moq-transport-18 as a {@link MoqtCodec}: the list of its parts, and nothing else. */
import type { MoqtCodec } from "../codec.ts";
import { unencodable } from "../writer.ts";
import { controlDecoder, encodeMessage } from "./control.ts";
import { dataStreamDecoder } from "./data-streams.ts";
import { decodeDatagram, encodeDatagram } from "./datagrams.ts";
import {
  encodeFetchGap,
  encodeFetchHeader,
  encodeFetchObject,
  encodeSubgroupHeader,
  encodeSubgroupObject,
} from "./encode-streams.ts";
import { peekUniStream } from "./stream-types.ts";
import { clause, DRAFT } from "./violation.ts";

export const draft18: MoqtCodec = {
  version: "moqt-18",
  draft: DRAFT,
  capabilities: {
    unidirectionalControl: true,
    requestStreams: true,
    inBandVersion: false,
    maxRequestId: false,
  },
  encodeMessage,
  controlDecoder,
  encodeSetup: (setup, role) => {
    // §10.3.1.1, §10.3.1.2.
    if (role === "server" && (setup.authority !== undefined || setup.path !== undefined)) {
      throw unencodable("A server's SETUP has neither AUTHORITY nor PATH.", clause("§10.3.1"));
    }
    return encodeMessage(setup);
  },
  peekUniStream,
  dataStreamDecoder,
  decodeDatagram,
  encodeSubgroupHeader,
  encodeSubgroupObject,
  encodeFetchHeader,
  encodeFetchObject,
  encodeFetchGap,
  encodeDatagram,
};
