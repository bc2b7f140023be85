/**
 * draft-ietf-moq-transport-19 as a {@link MoqtCodec}.
 *
 * On the wire it is draft-18 with range filters (§5.1.3), two more options in SETUP, EXPIRES and GROUP_ORDER in other places, and no request id in GOAWAY. Data
 * streams and datagrams are the same. Where both texts have a rule, errors cite draft-18's.
 */
import type { MoqtCodec } from "../codec.ts";
import { codecOf } from "../draft18/codec.ts";
import { capabilities18 } from "../draft18/index.ts";
import { DRAFT, dialect19 } from "./dialect.ts";

export const draft19: MoqtCodec = codecOf(
  "moqt-19",
  DRAFT,
  {
    ...capabilities18,
    severalSubscriptions: true,
    goawayNamesRequest: false,
    rangeFilters: true,
    announcementsExpire: true,
    tracksTakeDefaults: true,
    updateLimit: true,
  },
  dialect19,
);
