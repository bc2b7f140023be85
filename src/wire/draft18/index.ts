/** draft-ietf-moq-transport-18 as a {@link MoqtCodec}: the list of its parts, and nothing else. */
import type { Capabilities, MoqtCodec } from "../codec.ts";
import { codecOf } from "./codec.ts";
import { dialect18 } from "./dialect.ts";
import { DRAFT } from "./violation.ts";

export const capabilities18: Capabilities = {
  unidirectionalControl: true,
  requestStreams: true,
  inBandVersion: false,
  maxRequestId: false,
  severalSubscriptions: false,
  goawayNamesRequest: true,
  rangeFilters: false,
  announcementsExpire: false,
  tracksTakeDefaults: false,
  updateLimit: false,
  sessionTracks: true,
  namespaceStreams: false,
  updatesAnswered: true,
  updatesOfAll: true,
};

export const draft18: MoqtCodec = codecOf("moqt-18", DRAFT, capabilities18, dialect18);
