/** draft-ietf-moq-transport-16 as a {@link MoqtCodec}: the last with one control stream for all, but for SUBSCRIBE_NAMESPACE. */
import type { MoqtCodec } from "../codec.ts";
import { earlyCapabilities, earlyCodec } from "../early/codec.ts";
import { publishDone16 } from "../early/codes.ts";
import type { DataDialect } from "../early/data-types.ts";
import { PARAMETER as P } from "../early/parameters.ts";
import { type MessageDialect, places16 } from "./dialect.ts";
import { controlReaders, requestReaders } from "./read.ts";
import { encodeOnRequestStream, encodeShared } from "./write.ts";

const draft = "draft-ietf-moq-transport-16";

const messages: MessageDialect = {
  draft,
  pairTypes: "delta",
  authority: true,
  defined: new Set([
    P.deliveryTimeout,
    P.token,
    P.expires,
    P.largestObject,
    P.forward,
    P.subscriberPriority,
    P.filter,
    P.groupOrder,
    P.newGroupRequest,
  ]),
  strict: true,
  places: places16,
  publishDone: publishDone16,
  retryInterval: true,
  trackExtensions: true,
  namespaceStreams: true,
  withdrawById: true,
};

const data: DataDialect = {
  draft,
  pairTypes: "delta",
  fetchFlags: true,
  fetchGaps: true,
  fetchStatus: false,
  defaultPriority: true,
  missingStatus: false,
  statusProperties: false,
  zeroIdStatus: true,
};

export const draft16: MoqtCodec = earlyCodec(
  "moqt-16",
  { ...earlyCapabilities, namespaceStreams: true, updatesOfAll: true },
  {
    control: { client: controlReaders(messages, "client"), server: controlReaders(messages, "server") },
    request: requestReaders(messages),
    encodeShared: (message, role) => encodeShared(message, messages, role),
    encodeOnRequestStream: (message, requestId) => encodeOnRequestStream(message, requestId, messages),
  },
  data,
);
