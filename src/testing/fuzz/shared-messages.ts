/** Valid messages of a shared control stream by chance: those of drafts up to 16. */
import type { ControlMessage, RequestMessage } from "../../wire/messages.ts";
import type { AnswerEnvelope, Answered, SharedMessage, Withdrawal } from "../../wire/shared-messages.ts";
import type { VarInt } from "../../wire/varint.ts";
import { messageOf, REQUEST_TYPES, type Values } from "./messages.ts";

export const WITHDRAWALS: readonly Withdrawal["what"][] = [
  "unsubscribe",
  "fetch-cancel",
  "publish-namespace-done",
  "publish-namespace-cancel",
  "unsubscribe-namespace",
];

const OTHERS = [
  "setup",
  "goaway",
  "answer",
  "update",
  "done",
  "withdraw",
  "max-request-id",
  "requests-blocked",
] as const;

/** Any message that may follow SETUP, and, seldom, another SETUP. */
export function sharedMessage(values: Values): SharedMessage {
  const { chance } = values;
  if (chance.maybe()) return messageOf(values, chance.pick(REQUEST_TYPES)) as RequestMessage;
  const type = chance.pick(OTHERS);
  switch (type) {
    case "setup":
    case "goaway":
      return messageOf(values, type) as SharedMessage;
    case "answer":
      return answerTo(values, chance.pick<Answered>([...REQUEST_TYPES, "request-update"]), values.number());
    case "update":
      return {
        type,
        existing: values.number(),
        message: messageOf(values, "request-update") as Extract<ControlMessage, { type: "request-update" }>,
      };
    case "done":
      return {
        type,
        requestId: values.number(),
        message: messageOf(values, "publish-done") as Extract<ControlMessage, { type: "publish-done" }>,
      };
    case "withdraw":
      return withdrawal(values, values.number());
    default:
      return { type, limit: values.number() };
  }
}

/** An answer that fits, or an error. */
export function answerTo(values: Values, to: Answered, requestId: VarInt): AnswerEnvelope {
  const positive = to === "subscribe" ? "subscribe-ok" : to === "fetch" ? "fetch-ok" : "request-ok";
  const type = values.chance.maybe(0.8) ? positive : "request-error";
  return { type: "answer", requestId, to, message: messageOf(values, type) as AnswerEnvelope["message"] };
}

export function withdrawal(values: Values, requestId: VarInt): Withdrawal {
  const what = values.chance.pick(WITHDRAWALS);
  return {
    type: "withdraw",
    what,
    requestId,
    namespace: values.namespace(),
    ...(what === "publish-namespace-cancel" && { errorCode: values.number(), reason: values.text() }),
  };
}
