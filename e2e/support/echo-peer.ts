/** A WebTransport server for e2e/webtransport.spec.ts: echoes, resets, closes. Logs how to reach it. */
import { report, runPeer } from "../../demo/peers/cluster/child.ts";
import { createCertificate } from "../../demo/peers/webtransport/certificates.ts";
import { WebTransportServer } from "../../demo/peers/webtransport/server.ts";
import { WebTransportStreamError } from "../../demo/peers/webtransport/streams.ts";
import type { BidiStream, WebTransportPort } from "../../src/transport/port.ts";

/** What the server resets its stream with, for the browser to find. */
const RESET_CODE = 77;

async function serve(session: WebTransportPort): Promise<void> {
  for await (const stream of session.incomingBidirectionalStreams) answer(session, stream).catch(gone);
}

/** The page closed, or what was asked for ended the stream. */
function gone(): void {
  // nothing to do
}

async function answer(session: WebTransportPort, { readable, writable }: BidiStream): Promise<void> {
  const command = await readFirst(readable);
  const writer = writable.getWriter();
  if (command.word === "reset") {
    await writer.write(new Uint8Array([1]));
    await writer.abort(new WebTransportStreamError("as asked", RESET_CODE));
  } else if (command.word === "close") {
    session.close({ closeCode: 9, reason: "as asked" });
  } else {
    for await (const chunk of command.rest) await writer.write(chunk);
    await writer.close();
  }
}

const WORD_BYTES = 5;

/** The command is the first five bytes; the rest goes on as it comes. */
async function readFirst(readable: ReadableStream<Uint8Array>) {
  const reader = readable.getReader();
  let head = new Uint8Array(0);
  while (head.length < WORD_BYTES) {
    const { value, done } = await reader.read();
    if (done) break;
    head = new Uint8Array([...head, ...value]);
  }
  async function* rest(): AsyncGenerator<Uint8Array> {
    if (head.length > WORD_BYTES) yield head.subarray(WORD_BYTES);
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      yield value;
    }
  }
  return { word: new TextDecoder().decode(head.subarray(0, WORD_BYTES)), rest: rest() };
}

await runPeer(async (stop) => {
  const certificate = await createCertificate();
  const server = await WebTransportServer.listen({
    certificate,
    onSession: (session) => void serve(session).catch(gone),
  });
  report({ type: "log", text: JSON.stringify({ url: server.url, sha256: [...certificate.sha256] }) });
  report({ type: "ready" });
  await new Promise((resolve) => stop.addEventListener("abort", resolve, { once: true }));
  await server.close();
});
