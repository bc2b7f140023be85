import { describe, expect, it } from "vitest";
import type { MoqtCodec } from "../codec.ts";
import { publishDoneCodes, requestErrors } from "../codes.ts";
import { draft14 } from "../draft14/index.ts";
import { draft15 } from "../draft15/index.ts";
import { draft16 } from "../draft16/index.ts";
import type { SharedMessage } from "../shared-messages.ts";

function heard(codec: MoqtCodec, message: SharedMessage): SharedMessage {
  const decoder = codec.shared!.decoder("client");
  decoder.push(codec.shared!.encode(message, "client"));
  return decoder.next()!;
}

/** The status code's place in PUBLISH_DONE: behind type, length and a request id of one byte. */
const STATUS_AT = 4;

describe.each([draft14, draft15, draft16])("$version", (codec) => {
  const done = (statusCode: number): SharedMessage => ({
    type: "done",
    requestId: 1,
    message: { type: "publish-done", statusCode, streamCount: 0, reason: "" },
  });

  it("numbers EXPIRED and TOO_FAR_BEHIND the other way round than draft-18 does", () => {
    const numbers = (["expired", "too-far-behind"] as const).map(
      (name) => codec.shared!.encode(done(publishDoneCodes[name]), "client")[STATUS_AT],
    );
    expect(numbers).toEqual([5, 6]);
  });

  it("tells every status that the draft has under its own name, and the others as INTERNAL_ERROR", () => {
    const lacks: string[] = [];
    for (const [name, statusCode] of Object.entries(publishDoneCodes)) {
      const back = heard(codec, done(statusCode));
      if (back.type !== "done") throw new Error("no PUBLISH_DONE came back");
      if (back.message.statusCode === statusCode) continue;
      expect(back.message.statusCode).toBe(publishDoneCodes["internal-error"]);
      lacks.push(name);
    }
    expect(lacks).toEqual(codec === draft14 ? ["update-failed", "excessive-load"] : ["excessive-load"]);
  });

  it("tells a refusal under its own name where the draft has it for that request", () => {
    const told = (
      to: "subscribe" | "publish" | "subscribe-namespace" | "fetch",
      name: keyof typeof requestErrors,
    ) => {
      const message = {
        type: "request-error",
        errorCode: requestErrors[name],
        retryInterval: 0,
        reason: "",
      } as const;
      const back = heard(codec, { type: "answer", requestId: 1, to, message });
      return (
        back.type === "answer" &&
        back.message.type === "request-error" &&
        back.message.errorCode === requestErrors[name]
      );
    };
    expect(told("subscribe", "does-not-exist")).toBe(true);
    expect(told("fetch", "invalid-joining-request-id")).toBe(true);
    expect(told("publish", "uninterested")).toBe(true);
    expect(told("subscribe-namespace", "prefix-overlap")).toBe(true);
    expect(told("subscribe", "excessive-load")).toBe(false);
    expect(told("subscribe", "duplicate-subscription")).toBe(codec !== draft14);
  });
});
