import { expect, test } from "vitest";
import type { SessionInput } from "../session/types.ts";
import { requestErrors } from "../wire/codes.ts";
import { namespaceOf } from "../wire/names.ts";
import type { Host, RequestObserver } from "./host.ts";
import { receiveRequest } from "./incoming-requests.ts";

test.each(["subscribe-namespace", "subscribe-tracks"] as const)(
  "§10.2.14: a peer that changes the prefix of its %s is refused, other updates are not",
  (type) => {
    const inputs: SessionInput[] = [];
    const host: Partial<Host> = { handle: (input) => void inputs.push(input) };
    let observer: RequestObserver | undefined;
    receiveRequest(
      host as Host,
      4,
      { type, requestId: 0, prefix: namespaceOf("example.com"), parameters: {} },
      {
        subscribeNamespace: (request) => void request.accept(),
        subscribeTracks: (request) => void request.accept(),
      },
      (used) => {
        observer = used;
      },
    );
    observer?.onUpdated?.({});
    observer?.onUpdated?.({ trackNamespacePrefix: namespaceOf("other.test") });
    expect(inputs.slice(1)).toMatchObject([
      { type: "answer-update", stream: 4 },
      { type: "refuse-update", stream: 4, refusal: { errorCode: requestErrors["not-supported"] } },
    ]);
  },
);
