/** How draft-19's control messages differ from draft-18's. */
import type { Dialect } from "../draft18/dialect.ts";
import { type ParameterRule, parameterRules } from "../draft18/parameters.ts";
import type { ControlMessage } from "../messages.ts";
import { rangeFilterRules } from "./range-filters.ts";

export const DRAFT = "draft-ietf-moq-transport-19";

type Places = readonly ControlMessage["type"][];

/**
 * Where draft-19 lets parameters stand that draft-18 has elsewhere. SUBSCRIBE_TRACKS takes whatever SUBSCRIBE takes, as the defaults of the subscriptions
 * that come of it (§10.19.1). PUBLISH repeats the GROUP_ORDER of such a SUBSCRIBE_TRACKS (§10.19.1), though §10.2.8 does not list it.
 */
const places: { readonly [name in ParameterRule["name"]]?: Places } = {
  groupOrder: ["subscribe", "subscribe-tracks", "publish", "fetch"],
};

const TRACKS = "subscribe-tracks";

const moved = parameterRules.map((rule): ParameterRule => {
  const messages = places[rule.name] ?? rule.messages;
  const forTracks = messages.includes("subscribe") && !messages.includes(TRACKS);
  return { ...rule, messages: forTracks ? [...messages, TRACKS] : messages };
});

export const dialect19: Dialect = {
  parameters: [...moved, ...rangeFilterRules].sort((a, b) => a.type - b.type),
  setupNumbers: [
    ["maxAuthTokenCacheSize", 0x04],
    ["maxFilterRanges", 0x06],
    ["maxRequestUpdates", 0x08],
  ],
  goawayNamesRequest: false,
  // 0x1E, PUBLISH_OK until 17, is reserved now.
  aliases: new Map(),
};
