/**
 * draft-ietf-moq-transport-14 as a {@link MoqtCodec}: what most deployed relays speak.
 *
 * Every request has answers of its own, most options are fields, and the version is agreed on within SETUP.
 */
import type { MoqtCodec } from "../codec.ts";
import { earlyCapabilities, earlyCodec } from "../early/codec.ts";
import type { DataDialect } from "../early/data-types.ts";
import { unencodable } from "../writer.ts";
import { DRAFT } from "./parameters.ts";
import { readers } from "./read.ts";
import { encodeShared } from "./write.ts";

const data: DataDialect = {
  draft: DRAFT,
  pairTypes: "absolute",
  fetchFlags: false,
  fetchGaps: false,
  fetchStatus: true,
  defaultPriority: false,
  missingStatus: true,
  statusProperties: true,
  zeroIdStatus: false,
};

export const draft14: MoqtCodec = earlyCodec(
  "moqt-14",
  { ...earlyCapabilities, inBandVersion: true, updatesAnswered: false },
  {
    control: { client: readers("client"), server: readers("server") },
    request: new Map(),
    encodeShared,
    encodeOnRequestStream: (message) => {
      throw unencodable(
        `${message.type} cannot be sent: this draft has no streams of single requests.`,
        DRAFT,
      );
    },
  },
  data,
);
