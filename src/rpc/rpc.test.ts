import { afterEach, describe, expect, test } from "vitest";
import { CountersignError } from "../errors.ts";
import { pageApi } from "../playback/page-api.ts";
import { connectWorker, type WorkerClient, type WorkerLike } from "./connect.ts";
import { exposeWorker } from "./expose.ts";
import type {
  AuthorizationNeed,
  OpenOptions,
  ResourceRequest,
  WorkerApi,
  WorkerEvent,
  WorkerStats,
} from "./protocol.ts";

const OPTIONS = { broadcast: ["a"] } as unknown as OpenOptions;

/** One end of a channel, with what a Worker has besides. */
class PortWorker extends EventTarget implements WorkerLike {
  readonly #port: MessagePort;
  terminated = false;

  constructor(port: MessagePort) {
    super();
    this.#port = port;
    port.onmessage = (message) => this.dispatchEvent(new MessageEvent("message", { data: message.data }));
  }

  postMessage(message: unknown, transfer: Transferable[]): void {
    this.#port.postMessage(message, transfer as never);
  }

  terminate(): void {
    this.terminated = true;
    this.#port.close();
  }
}

const clients: WorkerClient[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

function setUp(over: Partial<WorkerApi>) {
  const { port1, port2 } = new MessageChannel();
  const api: WorkerApi = {
    open: async () => undefined,
    resource: async () => ({ kind: "playlist", text: "#EXTM3U" }),
    cancel: () => undefined,
    playhead: () => undefined,
    stats: async () => ({}) as WorkerStats,
    seek: async () => ({ kind: "nothing" }),
    leaveExcerpt: () => undefined,
    recordingPlan: () => Promise.reject(new CountersignError("range-unavailable", "No.")),
    recordingPart: () => Promise.reject(new CountersignError("range-unavailable", "No.")),
    keep: async (ranges) => ranges,
    evidence: async () => undefined,
    close: async () => undefined,
    ...over,
  };
  exposeWorker(api, port2);
  const worker = new PortWorker(port1);
  const client = connectWorker(worker);
  clients.push(client);
  return { client, worker };
}

describe("a call into the worker", () => {
  test("that fails keeps code, hint, peer and protocol detail", async () => {
    const thrown = new CountersignError("connect-failed", "No.", {
      hint: "Try later.",
      peer: "https://a",
      protocolCode: 3,
      section: "draft §1",
      cause: new Error("not carried"),
    });
    const { client } = setUp({ open: () => Promise.reject(thrown) });
    const error = await client.open(OPTIONS).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(CountersignError);
    expect((error as CountersignError).toData()).toEqual(thrown.toData());
  });

  test("that fails by accident is internal, with what was said", async () => {
    const { client } = setUp({ stats: () => Promise.reject(new TypeError("x is not a function")) });
    await expect(client.stats()).rejects.toMatchObject({ code: "internal", message: "x is not a function" });
  });

  test("can ask the page for keys, and gets keys, refusals and their reasons", async () => {
    const secret = await crypto.subtle.importKey("raw", new Uint8Array(16), "HKDF", false, ["deriveBits"]);
    const answers: unknown[] = [];
    const { client } = setUp({
      async open(_options, _events, page) {
        const request = { broadcast: ["a"], track: "video", cipherSuite: "aes-128-gcm-sha256" };
        for (const keyId of ["1", "2", "3", "4"])
          answers.push(await page?.key({ ...request, keyId }).catch((thrown: unknown) => thrown));
      },
    });
    const refusal = new CountersignError("invalid-options", "No key.", { hint: "Give one." });
    await client.open(OPTIONS, {
      async key({ keyId }) {
        if (keyId === "1") return Uint8Array.of(1, 2, 3);
        if (keyId === "2") return secret;
        if (keyId === "3") throw refusal;
        return undefined;
      },
    });
    expect(answers[0]).toEqual(Uint8Array.of(1, 2, 3));
    expect(answers[1]).toMatchObject({ type: "secret", extractable: false });
    expect(answers[2]).toMatchObject({ code: "invalid-options", hint: "Give one." });
    expect(answers[3]).toBeUndefined();
  });

  test("gets media as a buffer that left the worker", async () => {
    const data = new Uint8Array([1, 2, 3]).buffer;
    const { client } = setUp({ resource: async () => ({ kind: "media", data }) });
    const response = await client.resource("video/1.m4s");
    expect(response.kind === "media" && new Uint8Array(response.data)).toEqual(new Uint8Array([1, 2, 3]));
    expect(data.byteLength).toBe(0);
  });

  test("that is aborted rejects at once and tells the worker which", async () => {
    const asked: ResourceRequest[] = [];
    const canceled: number[] = [];
    const { client } = setUp({
      resource: (request) => {
        asked.push(request);
        return new Promise(() => undefined);
      },
      cancel: (id) => {
        canceled.push(id);
      },
    });
    const abort = new AbortController();
    const request = client.resource("video/live.m3u8", abort.signal);
    await expect.poll(() => asked.length).toBe(1);
    abort.abort();
    await expect(request).rejects.toMatchObject({ code: "destroyed" });
    await expect.poll(() => canceled).toEqual([asked[0]!.id]);
  });
});

describe("events of the worker", () => {
  test("arrive in order", async () => {
    const { client } = setUp({
      open: async (_options, events) => {
        for (let i = 0; i < 5; i++)
          events.postMessage({ type: "edge", edgeMs: i, atMs: i } satisfies WorkerEvent);
      },
    });
    const seen: number[] = [];
    client.on("event", (event) => {
      if (event.type === "edge") seen.push(event.edgeMs);
    });
    await client.open(OPTIONS);
    await expect.poll(() => seen).toEqual([0, 1, 2, 3, 4]);
  });
});

describe("a worker that dies", () => {
  test("rejects what is under way and what comes later, and is told once", async () => {
    const { client, worker } = setUp({ resource: () => new Promise(() => undefined) });
    const failures: CountersignError[] = [];
    client.on("failed", (error) => failures.push(error));
    const request = client.resource("main.m3u8");
    worker.dispatchEvent(new Event("error"));
    worker.dispatchEvent(new Event("error"));
    await expect(request).rejects.toMatchObject({ code: "worker-failed" });
    await expect(client.stats()).rejects.toMatchObject({ code: "worker-failed" });
    expect(failures.map(({ code }) => code)).toEqual(["worker-failed"]);
    expect(failures[0]!.hint).toContain("workerUrl");
    expect(worker.terminated).toBe(true);
  });
});

describe("closing", () => {
  test("asks the worker first, then ends it, and leaves nothing pending", async () => {
    const order: string[] = [];
    const { client, worker } = setUp({
      resource: () => new Promise(() => undefined),
      close: async () => {
        order.push(`close, terminated: ${worker.terminated}`);
      },
    });
    const request = client.resource("main.m3u8").catch((error: CountersignError) => error.code);
    await client.close();
    expect(order).toEqual(["close, terminated: false"]);
    expect(worker.terminated).toBe(true);
    expect(await request).toBe("destroyed");
    await client.close();
  });

  test("does not wait for ever for a worker that hangs", async () => {
    const { client, worker } = setUp({ close: () => new Promise(() => undefined) });
    await client.close();
    expect(worker.terminated).toBe(true);
  });
});

test("the worker asks the page for tokens, and hears why there is none", async () => {
  const answers: unknown[] = [];
  const { client } = setUp({
    open: async (_options, _events, page) => {
      const need = { url: "https://a", purpose: "subscribe", namespace: ["a"], track: "v", refresh: false };
      answers.push(await page?.token?.(need), await page?.token?.({ ...need, refresh: true }));
      answers.push(await page?.token?.({ ...need, url: "https://b" }).catch((thrown) => thrown.message));
    },
  });
  const authorization = async ({ url, refresh }: AuthorizationNeed) => {
    if (url === "https://b") throw new Error("logged out");
    return refresh ? "new" : undefined;
  };
  await client.open(OPTIONS, pageApi({ authorization }));
  expect(answers).toEqual([undefined, "new", "logged out"]);
});
