/** The ground that everything stands on: a worker of a page on http://localhost reaches the Node server of the peers. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test as base, expect } from "@playwright/test";
import { PeerProcess } from "../demo/peers/cluster/peer-process.ts";

/** How to reach the echo peer. */
interface EchoPeer {
  readonly url: string;
  readonly sha256: readonly number[];
}

/** What the page's worker found; absent: it did not come to that. */
interface EchoResult {
  readonly worker: boolean;
  readonly same?: boolean;
  readonly cut?: boolean;
  readonly code?: number;
  readonly closed?: { readonly closeCode: number; readonly reason: string };
  readonly error?: string;
}

const WORKER = `
  // By a reader: a Response would hide the stream's error behind its own.
  const read = async (readable) => {
    const bytes = [];
    const reader = readable.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return new Uint8Array(await new Blob(bytes).arrayBuffer());
      bytes.push(value);
    }
  };
  self.onmessage = async ({ data: { url, sha256, word, size } }) => {
    const result = { worker: typeof WorkerGlobalScope === "function" && self instanceof WorkerGlobalScope };
    try {
      const session = new WebTransport(url, {
        serverCertificateHashes: [{ algorithm: "sha-256", value: new Uint8Array(sha256) }],
      });
      await session.ready;
      const { readable, writable } = await session.createBidirectionalStream();
      const writer = writable.getWriter();
      await writer.write(new TextEncoder().encode(word));
      const sent = new Uint8Array(size).map((_, i) => (i * 31 + (i >> 8)) & 255);
      const writing = writer.write(sent).then(() => writer.close()).catch(() => undefined);
      if (word === "close") {
        result.closed = await session.closed.then(({ closeCode, reason }) => ({ closeCode, reason }));
      } else {
        const received = await read(readable).catch((error) => {
          result.cut = true;
          if (error.streamErrorCode !== undefined) result.code = error.streamErrorCode;
          return new Uint8Array(0);
        });
        await writing;
        result.same = received.length === sent.length && received.every((byte, i) => byte === sent[i]);
        session.close();
      }
    } catch (error) {
      result.error = String(error);
    }
    self.postMessage(result);
  };
`;

interface Fixtures {
  readonly echo: (word: string, size: number) => Promise<EchoResult>;
}

const test = base.extend<Fixtures, { peer: EchoPeer; origin: string }>({
  peer: [
    // biome-ignore lint/correctness/noEmptyPattern: Playwright reads the names of the fixtures that are used from here
    async ({}, use) => {
      let ready: EchoPeer | undefined;
      const peer = new PeerProcess({
        name: "echo",
        program: "../../e2e/support/echo-peer.ts",
        args: [],
        onLog: (text) => {
          if (text.startsWith("{")) ready = JSON.parse(text) as EchoPeer;
        },
      });
      await peer.start();
      if (ready === undefined) throw new Error("The echo peer did not say how to reach it.");
      await use(ready);
      await peer.stop();
    },
    { scope: "worker" },
  ],
  origin: [
    // biome-ignore lint/correctness/noEmptyPattern: as above
    async ({}, use) => {
      const server = createServer((request, response) => {
        const script = request.url === "/worker.js";
        response.setHeader("content-type", script ? "text/javascript" : "text/html");
        response.end(script ? WORKER : "<!doctype html><title>webtransport</title>");
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      await use(`http://localhost:${(server.address() as AddressInfo).port}/`);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
    { scope: "worker" },
  ],
  echo: async ({ page, peer, origin }, use) => {
    await page.goto(origin);
    await use((word, size) =>
      page.evaluate(
        (task) =>
          new Promise<EchoResult>((resolve, reject) => {
            const worker = new Worker("worker.js");
            worker.onmessage = ({ data }) => resolve(data);
            worker.onerror = (event) => reject(new Error(event.message));
            worker.postMessage(task);
          }),
        { ...peer, word, size },
      ),
    );
  },
});

test.describe("a worker of the page", { tag: "@smoke" }, () => {
  test("sends a megabyte to the Node server and gets it back, with FIN", async ({ echo }) => {
    expect(await echo("echo:", 1024 * 1024)).toEqual({ worker: true, same: true });
  });

  test("sees the Node server reset a stream", async ({ echo, browserName }) => {
    const { code, ...seen } = await echo("reset", 16);
    expect(seen).toEqual({ worker: true, same: false, cut: true });
    // Firefox 153 mostly reports a plain TypeError without the code, now and then the WebTransportError with it.
    expect(browserName === "firefox" ? [77, undefined] : [77]).toContain(code);
  });

  test("sees the Node server close the session", async ({ echo }) => {
    expect(await echo("close", 16)).toEqual({ worker: true, closed: { closeCode: 9, reason: "as asked" } });
  });
});
