/**
 * What may differ between the drafts that share these messages.
 *
 * Drafts from 18 on change little from one to the next: a parameter more, a field less. Their control messages are therefore read and written by one set of
 * functions, which ask a dialect where the texts part. A dialect is a table, and holds no code of its own but the parameters' rules.
 */
import type { ControlMessage } from "../messages.ts";
import type { VarInt } from "../varint.ts";
import { type ParameterRule, parameterRules } from "./parameters.ts";
import type { SetupNumbers } from "./setup.ts";

export interface Dialect {
  /** In ascending order of type. */
  readonly parameters: readonly ParameterRule[];
  readonly setupNumbers: SetupNumbers;
  /** GOAWAY on a control stream ends with the first request id that is refused. */
  readonly goawayNamesRequest: boolean;
  /** Numbers of messages that are read and never sent. */
  readonly aliases: ReadonlyMap<VarInt, ControlMessage["type"]>;
}

export const dialect18: Dialect = {
  parameters: parameterRules,
  setupNumbers: [["maxAuthTokenCacheSize", 0x04]],
  goawayNamesRequest: true,
  // The table of §10 still lists PUBLISH_OK under its old number; its text (§10.5) makes it an alias of REQUEST_OK.
  aliases: new Map([[0x1e, "request-ok"]]),
};
