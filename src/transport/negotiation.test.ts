import { describe, expect, test } from "vitest";
import { CountersignError } from "../errors.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { memoryDial, memoryTransport } from "../testing/memory-transport.ts";
import { sessionErrors } from "../wire/codes.ts";
import { namespaceOf, trackOf } from "../wire/names.ts";
import type { MoqObject } from "../wire/objects.ts";
import { supportedVersions } from "../wire/registry.ts";
import { accept, connect } from "./connect.ts";
import { candidates, explained } from "./negotiation.ts";
import type { WebTransportPort } from "./port.ts";

const URL = "https://relay.test/";
const video = trackOf(namespaceOf("a"), "video");

async function failure(promise: Promise<unknown>): Promise<CountersignError> {
  const thrown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (thrown instanceof CountersignError) return thrown;
  throw thrown;
}

/** A peer that does this with the session it is given, and negotiates nothing. */
function peerThat(does: (port: WebTransportPort) => void, protocol = "") {
  return memoryDial((server) => does(server), { protocol });
}

describe("where WebTransport negotiates", () => {
  test("every version we speak is offered, best first", async () => {
    const offered: (readonly string[])[] = [];
    const transport = memoryTransport({ protocol: "moqt-19" });
    const accepted = accept(transport.server, {}, {});
    const connection = await connect(
      ({ protocols }) => {
        offered.push(protocols);
        return Promise.resolve(transport.client);
      },
      { url: URL },
    );
    expect(offered).toEqual([supportedVersions]);
    expect(supportedVersions.slice(0, 2)).toEqual(["moqt-18", "moqt-19"]);
    expect(connection.version).toBe("moqt-19");
    expect((await accepted).version).toBe("moqt-19");
    connection.close();
  });

  test.each(supportedVersions)("a subscription brings its objects in %s", async (protocol) => {
    const dial = memoryDial(
      (server) => {
        void accept(
          server,
          {},
          {
            subscribe: (request) => {
              const track = request.accept({});
              const header = {
                group: 3,
                subgroup: 0,
                endOfGroup: true,
                firstObject: true,
                hasProperties: false,
              };
              void track.openSubgroup(header).then(async (writer) => {
                await writer.write({
                  group: 3,
                  object: 0,
                  subgroup: 0,
                  priority: undefined,
                  status: "normal",
                  properties: new Uint8Array(0),
                  payload: new Uint8Array([7]),
                });
                await writer.close();
              });
            },
          },
        );
      },
      { protocol },
    );
    const connection = await connect(dial, { url: URL });
    const payloads: Uint8Array[] = [];
    await new Promise<void>((resolve, reject) => {
      const sink = {
        object: ({ payload }: MoqObject) => void payloads.push(payload),
        streamEnd: () => resolve(),
      };
      connection.subscribe({ track: video }, sink).catch(reject);
    });
    expect(connection.version).toBe(protocol);
    expect(payloads).toEqual([new Uint8Array([7])]);
    connection.close();
  });

  test("a choice that was not offered names what was chosen and what we speak", async () => {
    const dial = peerThat(() => undefined, "moqt-99");
    const error = await failure(connect(dial, { url: URL, versions: ["moqt-19", "moqt-18"] }));
    expect(error).toMatchObject({
      code: "version-unsupported",
      peer: URL,
      versions: { ours: ["moqt-19", "moqt-18"], peer: ["moqt-99"] },
    });
    expect(error.message).toContain("moqt-99");
    expect(error.hint).toContain("moqt-19, moqt-18");
  });
});

describe("where nothing is negotiated", () => {
  test("the first configured version is spoken, at both ends", async () => {
    const servers: Promise<string>[] = [];
    const dial = memoryDial((server) => {
      servers.push(accept(server, { versions: ["moqt-19"] }, {}).then(({ version }) => version));
    });
    const connection = await connect(dial, { url: URL, versions: ["moqt-19", "moqt-18"] });
    expect(connection.version).toBe("moqt-19");
    expect(await servers[0]).toBe("moqt-19");
    connection.close();
  });

  test("what a peer was found to speak before comes first", async () => {
    const dial = memoryDial((server) => void accept(server, { versions: ["moqt-19"] }, {}));
    const versions = ["moqt-18", "moqt-19"] as const;
    const connection = await connect(dial, { url: URL, versions, spokenBefore: "moqt-19" });
    expect(connection.version).toBe("moqt-19");
    connection.close();
  });

  test("a peer that says it speaks none of ours gives an error with what it named", async () => {
    const closeCode = sessionErrors["version-negotiation-failed"];
    const dial = peerThat((port) => port.close({ closeCode, reason: "we speak moqt-07 and 0xff000009" }));
    const error = await failure(connect(dial, { url: URL, versions: ["moqt-18"] }));
    expect(error).toMatchObject({
      code: "version-unsupported",
      protocolCode: closeCode,
      versions: { ours: ["moqt-18"], peer: ["moqt-07", "moqt-09"] },
    });
    expect(error.hint).toContain("It offers moqt-07, moqt-09; we speak moqt-18.");
  });

  test("a peer whose first bytes are of no draft of ours gives that error, too", async () => {
    const dial = peerThat(async (port) => {
      const writer = (await port.createUnidirectionalStream()).getWriter();
      await writer.write(new Uint8Array([0x21, 0x00, 0x01, 0x00])).catch(() => undefined);
    });
    const error = await failure(connect(dial, { url: URL, versions: ["moqt-18"] }));
    expect(error).toMatchObject({ code: "version-unsupported", versions: { ours: ["moqt-18"], peer: [] } });
  });

  test("silence stays a time-out, and the hint says that it may be the version", async () => {
    const clock = new FakeClock();
    const connecting = failure(
      connect(
        peerThat(() => undefined),
        { url: URL, versions: ["moqt-18"], clock },
      ),
    );
    await clock.run(60_000);
    const error = await connecting;
    expect(error.code).toBe("connect-timeout");
    expect(error.hint).toContain("moqt-18");
  });

  test("of several versions that fail the most telling failure is told; a peer that names its own is not asked again", async () => {
    const clock = new FakeClock();
    let dials = 0;
    const closeCode = sessionErrors["version-negotiation-failed"];
    // Speaks up at the first dial, and is silent from then on.
    const dialOf = (reason: string) => {
      dials = 0;
      return peerThat((port) => {
        if (dials++ === 0) port.close({ closeCode, reason });
      });
    };
    const versions = ["moqt-18", "moqt-16", "moqt-14"] as const;
    const named = await failure(connect(dialOf("moqt-07"), { url: URL, versions, clock }));
    expect(named).toMatchObject({ code: "version-unsupported", versions: { peer: ["moqt-07"] } });
    expect(dials).toBe(1);
    const vague = failure(connect(dialOf(""), { url: URL, versions, clock }));
    for (let i = 0; i < 10; i++) await clock.run(10_000);
    expect((await vague).code).toBe("version-unsupported");
    expect(dials).toBe(3);
  });

  test("a session that was refused for its token is no question of versions", async () => {
    const dial = peerThat((port) => port.close({ closeCode: sessionErrors.unauthorized, reason: "" }));
    expect(await failure(connect(dial, { url: URL }))).toMatchObject({
      code: "session-closed",
      protocolCode: sessionErrors.unauthorized,
    });
  });

  test("one version of each kind is tried: those of a kind begin alike", () => {
    expect(candidates(["moqt-19", "moqt-18"])).toEqual(["moqt-19"]);
    expect(candidates([])).toEqual([]);
  });

  test("without a version nothing is dialed", async () => {
    let dialed = 0;
    const dial = peerThat(() => void dialed++);
    expect(await failure(connect(dial, { url: URL, versions: [] }))).toMatchObject({
      code: "invalid-options",
    });
    expect(dialed).toBe(0);
  });
});

test("what failed after negotiation is not said to be the version's fault", () => {
  const error = new CountersignError("protocol-violation", "No.", { protocolCode: 3 });
  expect(explained(error, ["moqt-18"], true)).toBe(error);
  expect(explained(error, ["moqt-18"], false).code).toBe("version-unsupported");
});
