/** Draft-14's parameters: three (§9.2.1), because most of what later became parameters are fields here. */
import { type MessageParameters, PARAMETER as P, type ParameterDialect } from "../early/parameters.ts";

export const DRAFT = "draft-ietf-moq-transport-14";

export const dialect = {
  draft: DRAFT,
  pairTypes: "absolute",
  authority: false,
  defined: new Set<number>([P.deliveryTimeout, P.token, P.maxCacheDuration]),
  strict: false,
} as const satisfies ParameterDialect & { draft: string; authority: boolean };

const NONE: ReadonlySet<number> = new Set();
const TOKEN: ReadonlySet<number> = new Set([P.token]);

/** SUBSCRIBE, SUBSCRIBE_UPDATE, TRACK_STATUS. */
export const ofSubscriber: MessageParameters = { own: new Set([P.deliveryTimeout, P.token]), track: NONE };
/** FETCH, PUBLISH_NAMESPACE, SUBSCRIBE_NAMESPACE. */
export const ofRequest: MessageParameters = { own: TOKEN, track: NONE };
/** SUBSCRIBE_OK, TRACK_STATUS_OK: what is said there is said of the track. */
export const ofPublisher: MessageParameters = {
  own: NONE,
  track: new Set([P.deliveryTimeout, P.maxCacheDuration]),
};
/** PUBLISH. */
export const ofPublish: MessageParameters = { own: TOKEN, track: ofPublisher.track };
/** PUBLISH_OK. */
export const ofPublishOk: MessageParameters = { own: new Set([P.deliveryTimeout]), track: NONE };
/** FETCH_OK. */
export const ofFetchOk: MessageParameters = { own: NONE, track: new Set([P.maxCacheDuration]) };
