/** What relays in use send although these drafts do not have it so, seen by `npm run interop`. */
import { describe, expect, test } from "vitest";
import { draft14 } from "../draft14/index.ts";
import { draft15 } from "../draft15/index.ts";
import { bytesOf } from "../draft18/fixtures.ts";

describe.each([
  ["14", draft14],
  ["15", draft15],
])("draft-%s", (_name, codec) => {
  test("a SUBSCRIBE_NAMESPACE whose prefix has no field means every namespace: moq-relay 0.17 sends one to every client", () => {
    const decoder = codec.shared!.decoder("client");
    // Type, length, request id 1, no fields, no parameters.
    decoder.push(bytesOf("11 0003 01 00 00".replaceAll(" ", "")));
    expect(decoder.next()).toMatchObject({ type: "subscribe-namespace", requestId: 1, prefix: [] });
    expect(decoder.idle).toBe(true);
  });
});
