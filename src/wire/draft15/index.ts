/**
 * draft-ietf-moq-transport-15 as a {@link MoqtCodec}.
 *
 * Its messages are draft-16's without track extensions, retry intervals and a stream for SUBSCRIBE_NAMESPACE; its objects stand between draft-14's and draft-16's.
 */
import type { MoqtCodec } from "../codec.ts";
import type { MessageDialect } from "../draft16/dialect.ts";
import { places15 } from "../draft16/dialect.ts";
import { controlReaders } from "../draft16/read.ts";
import { encodeOnRequestStream, encodeShared } from "../draft16/write.ts";
import { earlyCapabilities, earlyCodec } from "../early/codec.ts";
import { publishDone15 } from "../early/codes.ts";
import type { DataDialect } from "../early/data-types.ts";
import { PARAMETER } from "../early/parameters.ts";

const draft = "draft-ietf-moq-transport-15";

const messages: MessageDialect = {
  draft,
  pairTypes: "absolute",
  authority: true,
  defined: new Set(Object.values(PARAMETER)),
  strict: false,
  places: places15,
  publishDone: publishDone15,
  retryInterval: false,
  trackExtensions: false,
  namespaceStreams: false,
  withdrawById: false,
};

const data: DataDialect = {
  draft,
  pairTypes: "absolute",
  fetchFlags: true,
  fetchGaps: false,
  fetchStatus: true,
  defaultPriority: true,
  missingStatus: true,
  statusProperties: false,
  zeroIdStatus: true,
};

export const draft15: MoqtCodec = earlyCodec(
  "moqt-15",
  earlyCapabilities,
  {
    control: { client: controlReaders(messages, "client"), server: controlReaders(messages, "server") },
    request: new Map(),
    encodeShared: (message, role) => encodeShared(message, messages, role),
    encodeOnRequestStream: (message, requestId) => encodeOnRequestStream(message, requestId, messages),
  },
  data,
);
