import { afterEach, expect, test, vi } from "vitest";
import { memoryTransport } from "../testing/memory-transport.ts";
import { browserDial, webTransportAddress } from "./browser-dial.ts";
import type { WebTransportPort } from "./port.ts";

const options = { url: "https://relay.test:4443/live", protocols: ["moqt-18"] };
const never = new AbortController().signal;

afterEach(() => {
  vi.unstubAllGlobals();
});

/** Puts a WebTransport class into the global scope that gives back `make`'s result, and records its arguments. */
function stub(make: () => Partial<WebTransportPort>) {
  const calls: unknown[][] = [];
  vi.stubGlobal(
    "WebTransport",
    class {
      constructor(...args: unknown[]) {
        calls.push(args);
        // biome-ignore lint/correctness/noConstructorReturn: the stub stands for the browser's own class.
        return make();
      }
    },
  );
  return calls;
}

function failing(error: Error): Partial<WebTransportPort> {
  return { ready: Promise.reject(error), closed: Promise.reject(error) };
}

test("hashes and protocols are passed on, and the session is given back when it is ready", async () => {
  const { client } = memoryTransport();
  const calls = stub(() => client);
  const hash = new Uint8Array(32);
  expect(await browserDial({ ...options, certificateHashes: [hash] }, never)).toBe(client);
  expect(calls).toEqual([
    [
      "https://relay.test:4443/live",
      { protocols: ["moqt-18"], serverCertificateHashes: [{ algorithm: "sha-256", value: hash }] },
    ],
  ]);
});

test("without WebTransport the error says what to do", async () => {
  vi.stubGlobal("WebTransport", undefined);
  await expect(browserDial(options, never)).rejects.toMatchObject({
    code: "webtransport-unavailable",
    hint: expect.stringContaining("https"),
  });
});

test.each(["relay.test:4443", "http://relay.test", "https://", "https://user:pw@relay.test/", ""])(
  "the address %j is refused before anything is dialed",
  async (url) => {
    const calls = stub(() => memoryTransport().client);
    await expect(browserDial({ ...options, url }, never)).rejects.toMatchObject({
      code: "address-invalid",
      peer: url,
    });
    expect(calls).toHaveLength(0);
  },
);

test("moqt: addresses are dialed as https:, and fragments stay here (§3.1.2, §3.1.3)", () => {
  expect(webTransportAddress("moqt://relay.test/app?x=1#track:a")).toBe("https://relay.test/app?x=1");
});

test("a handshake that fails is connect-failed; one that names the certificate is certificate-refused", async () => {
  stub(() => failing(new Error("Opening handshake failed.")));
  await expect(browserDial(options, never)).rejects.toMatchObject({
    code: "connect-failed",
    peer: options.url,
  });
  stub(() => failing(new Error("net::ERR_CERT_AUTHORITY_INVALID")));
  await expect(browserDial(options, never)).rejects.toMatchObject({ code: "certificate-refused" });
});

test("a hash of the wrong length is refused here", async () => {
  stub(() => memoryTransport().client);
  await expect(
    browserDial({ ...options, certificateHashes: [new Uint8Array(20)] }, never),
  ).rejects.toMatchObject({ code: "invalid-options" });
});

test("an abort closes the half-open session and rejects with its reason", async () => {
  let fail: (error: Error) => void = () => undefined;
  const ready = new Promise<void>((_, reject) => {
    fail = reject;
  });
  stub(() => ({ ready, closed: new Promise(() => undefined), close: () => fail(new Error("closed")) }));
  const controller = new AbortController();
  const dialing = browserDial(options, controller.signal);
  controller.abort(new Error("changed my mind"));
  await expect(dialing).rejects.toThrow("changed my mind");
});
