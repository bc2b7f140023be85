/** A {@link MoqtCodec} of a draft that shares draft-18's messages, streams and datagrams: its dialect says how they differ. */
import type { Capabilities, MoqtCodec, Version } from "../codec.ts";
import { unencodable } from "../writer.ts";
import { controlDecoder, encodeMessage } from "./control.ts";
import { dataStreamDecoder } from "./data-streams.ts";
import { decodeDatagram, encodeDatagram } from "./datagrams.ts";
import type { Dialect } from "./dialect.ts";
import {
  encodeFetchGap,
  encodeFetchHeader,
  encodeFetchObject,
  encodeSubgroupHeader,
  encodeSubgroupObject,
} from "./encode-streams.ts";
import { peekUniStream } from "./stream-types.ts";
import { clause } from "./violation.ts";

export function codecOf(
  version: Version,
  draft: string,
  capabilities: Capabilities,
  dialect: Dialect,
): MoqtCodec {
  return {
    version,
    draft,
    capabilities,
    encodeMessage: (message) => encodeMessage(message, dialect),
    controlDecoder: (stream) => controlDecoder(stream, dialect),
    encodeSetup: (setup, role) => {
      // §10.3.1.1, §10.3.1.2.
      if (role === "server" && (setup.authority !== undefined || setup.path !== undefined)) {
        throw unencodable("A server's SETUP has neither AUTHORITY nor PATH.", clause("§10.3.1"));
      }
      return encodeMessage(setup, dialect);
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
}
