import { X509Certificate } from "node:crypto";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { WebTransportPort } from "../../../src/transport/port.ts";
import type { Certificate } from "./certificates.ts";
import { createCertificate } from "./certificates.ts";
import { dial } from "./client.ts";
import { WebTransportServer } from "./server.ts";
import { WebTransportStreamError } from "./streams.ts";

let certificate: Certificate;
beforeAll(async () => {
  certificate = await createCertificate();
});

describe("the certificate", () => {
  test("is one that browsers let a page pin", () => {
    const parsed = new X509Certificate(certificate.certificatePem);
    expect(parsed.checkHost("localhost")).toBe("localhost");
    expect(parsed.checkIP("127.0.0.1")).toBe("127.0.0.1");
    expect(parsed.publicKey.asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
    const days = (Date.parse(parsed.validTo) - Date.parse(parsed.validFrom)) / 86_400_000;
    expect(days).toBeLessThan(14);
    expect(Date.parse(parsed.validFrom)).toBeLessThan(Date.now());
    expect(Buffer.from(certificate.sha256).toString("hex")).toBe(
      parsed.fingerprint256.replaceAll(":", "").toLowerCase(),
    );
  });
});

describe("a session between two Node peers", () => {
  let server: WebTransportServer;
  let client: WebTransportPort;
  let served: WebTransportPort;
  let servedUrl: URL;

  const connect = (path = "") =>
    dial({ url: server.url + path, certificateHashes: [certificate.sha256], protocols: [] });

  beforeEach(async () => {
    const accepted = deferred<{ session: WebTransportPort; url: URL }>();
    server = await WebTransportServer.listen({
      certificate,
      refuse: (url) => (url.pathname === "/nowhere" ? 404 : undefined),
      onSession: (session, url) => accepted.resolve({ session, url }),
    });
    client = await connect("moq?x=1");
    ({ session: served, url: servedUrl } = await accepted.promise);
  });
  afterEach(() => server.close());

  /** A stream from the client, with `first` written, as the server sees it. */
  async function stream(first = new Uint8Array([1, 2, 3])) {
    const writer = (await client.createUnidirectionalStream()).getWriter();
    const written = writer.write(first);
    const streams = served.incomingUnidirectionalStreams.getReader();
    const { value: readable } = await streams.read();
    streams.releaseLock();
    await written;
    return { writer, reader: (readable as ReadableStream<Uint8Array>).getReader() };
  }

  test("carries a megabyte there and back, with FIN", async () => {
    const sent = new Uint8Array(1024 * 1024).map((_, i) => (i * 31 + (i >> 8)) & 0xff);
    const echo = (async () => {
      const { value: stream } = await served.incomingBidirectionalStreams.getReader().read();
      await stream?.readable.pipeTo(stream.writable);
    })();
    const { readable, writable } = await client.createBidirectionalStream();
    const writer = writable.getWriter();
    const writing = writer.write(sent).then(() => writer.close());
    const received = Buffer.from(await new Response(readable as BodyInit).arrayBuffer());
    await Promise.all([writing, echo]);
    expect(received.equals(sent)).toBe(true);
    expect(servedUrl.pathname + servedUrl.search).toBe("/moq?x=1");
  });

  test("carries the code of a reset", async () => {
    const { writer, reader } = await stream();
    await reader.read();
    await writer.abort(new WebTransportStreamError("enough", 77));
    await expect(reader.read()).rejects.toMatchObject({ source: "stream", streamErrorCode: 77 });
  });

  test("carries the code of a stop", async () => {
    const { writer, reader } = await stream();
    await reader.read();
    await reader.cancel(new WebTransportStreamError("enough", 0x1234));
    const writeOn = async (): Promise<never> => {
      for (;;) await writer.write(new Uint8Array(1));
    };
    await expect(writeOn()).rejects.toMatchObject({ source: "stream", streamErrorCode: 0x1234 });
  });

  test("never ends a stream as complete because its sender forgot it", async () => {
    setFlagsFromString("--expose-gc");
    const collect: () => void = runInNewContext("gc");
    const reader = await (async () => (await stream()).reader)();
    await reader.read();
    const end = reader.read();
    collect();
    // A round trip, so that what the collection caused has arrived.
    await stream();
    collect();
    await stream();
    client.close();
    await expect(end).rejects.toMatchObject({ source: "session" });
  });

  test("carries datagrams", async () => {
    const writer = client.datagrams.writable?.getWriter();
    await writer?.write(new Uint8Array([7, 8]));
    const { value } = await served.datagrams.readable.getReader().read();
    expect([...(value ?? [])]).toEqual([7, 8]);
  });

  test("ends on both sides with what close was given, and ends what was open", async () => {
    const { reader } = await stream();
    await reader.read();
    const incoming = served.incomingBidirectionalStreams.getReader().read();
    client.close({ closeCode: 5, reason: "bye" });
    expect(await served.closed).toEqual({ closeCode: 5, reason: "bye" });
    expect(await client.closed).toEqual({ closeCode: 5, reason: "bye" });
    expect((await incoming).done).toBe(true);
    await expect(reader.read()).rejects.toMatchObject({ source: "session", streamErrorCode: null });
    await expect(served.createUnidirectionalStream()).rejects.toMatchObject({ source: "session" });
  });

  test("ends when the server closes, and nobody is let in after", async () => {
    await server.close();
    expect(await client.closed).toEqual({ closeCode: 0, reason: "server closed" });
    expect(server.sessions.size).toBe(0);
    // Nobody answers any more; QUIC would take its own time to find out.
    const given = new AbortController();
    const late = dial(
      { url: server.url, certificateHashes: [certificate.sha256], protocols: [] },
      given.signal,
    );
    given.abort(new Error("waited long enough"));
    await expect(late).rejects.toThrow("waited long enough");
  });

  test("is refused with a typed error: path, certificate, address", async () => {
    await expect(connect("nowhere")).rejects.toMatchObject({
      code: "connect-failed",
      peer: `${server.url}nowhere`,
    });
    const wrong = dial({ url: server.url, certificateHashes: [new Uint8Array(32)], protocols: [] });
    await expect(wrong).rejects.toMatchObject({ code: "certificate-refused" });
    const noAddress = dial({ url: "http://127.0.0.1/", protocols: [] });
    await expect(noAddress).rejects.toMatchObject({ code: "address-invalid" });
  });
});

function deferred<T>() {
  let resolve: (value: T) => void = () => {
    throw new Error("settled before it was made");
  };
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve: (value: T) => resolve(value) };
}
