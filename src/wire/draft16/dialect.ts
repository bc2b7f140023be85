/** Where the control messages of drafts 15 and 16 differ. They are one family: REQUEST_OK and REQUEST_ERROR for all, parameters for all. */
import type { CodeDialect } from "../early/codes.ts";
import { type MessageParameters, PARAMETER as P, type ParameterDialect } from "../early/parameters.ts";
import type { SetupDialect } from "../early/setup.ts";

/** Messages whose parameters have a table of their own. */
export type ParameterPlace =
  | "subscribe"
  | "subscribe-ok"
  | "request-update"
  | "publish"
  | "publish-ok"
  | "request-ok"
  | "fetch"
  | "fetch-ok"
  | "track-status"
  | "publish-namespace"
  | "subscribe-namespace";

export interface MessageDialect extends SetupDialect, ParameterDialect, CodeDialect {
  readonly draft: string;
  readonly places: Readonly<Record<ParameterPlace, MessageParameters>>;
  /** REQUEST_ERROR has a retry interval (16). */
  readonly retryInterval: boolean;
  /** SUBSCRIBE_OK, PUBLISH and FETCH_OK end with the track's extensions (16). */
  readonly trackExtensions: boolean;
  /** SUBSCRIBE_NAMESPACE has a stream of its own with NAMESPACE on it, and options (16). */
  readonly namespaceStreams: boolean;
  /** PUBLISH_NAMESPACE_DONE and _CANCEL name their request by its id (16), else by the namespace. */
  readonly withdrawById: boolean;
}

const NONE: ReadonlySet<number> = new Set();

function own(...types: number[]): MessageParameters {
  return { own: new Set(types), track: NONE };
}

const SUBSCRIBER = [P.deliveryTimeout, P.forward, P.subscriberPriority, P.filter, P.newGroupRequest];

/** Draft-16 §9.2.2. */
export const places16: Readonly<Record<ParameterPlace, MessageParameters>> = {
  subscribe: own(P.token, P.groupOrder, ...SUBSCRIBER),
  "subscribe-ok": own(P.expires, P.largestObject),
  "request-update": own(P.token, ...SUBSCRIBER),
  publish: own(P.token, P.expires, P.largestObject, P.forward),
  "publish-ok": own(P.expires, P.groupOrder, ...SUBSCRIBER),
  "request-ok": own(P.expires, P.largestObject),
  fetch: own(P.token, P.subscriberPriority, P.groupOrder),
  "fetch-ok": own(),
  "track-status": own(P.token),
  "publish-namespace": own(P.token),
  "subscribe-namespace": own(P.token, P.forward),
};

const TRACK = new Set<number>([
  P.deliveryTimeout,
  P.maxCacheDuration,
  P.publisherPriority,
  P.groupOrder,
  P.dynamicGroups,
]);

/** Draft-15 §9.2.1: what the publisher says of the track stands among the parameters. */
export const places15: Readonly<Record<ParameterPlace, MessageParameters>> = {
  ...places16,
  "subscribe-ok": { ...places16["subscribe-ok"], track: TRACK },
  publish: { ...places16.publish, track: TRACK },
  "fetch-ok": { own: NONE, track: new Set([P.maxCacheDuration]) },
};
