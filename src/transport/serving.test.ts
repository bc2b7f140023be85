/** An end that only reads, as a player's: what it does not do, and what it does as well as any. */
import { expect, test } from "vitest";
import { broadcast, recorder, video } from "../testing/conversation.ts";
import { memoryDial } from "../testing/memory-transport.ts";
import { accept } from "./connect.ts";
import type { Connection, RequestHandlers } from "./connection.ts";
import { dialSession } from "./dialing.ts";

async function reader(handlers: RequestHandlers): Promise<{ client: Connection; server: Connection }> {
  let done: (connection: Connection) => void = () => undefined;
  const serving = new Promise<Connection>((resolve) => {
    done = resolve;
  });
  const dial = memoryDial((port) => {
    void accept(port, { url: "https://relay.test/" }, handlers).then(done);
  });
  const client = await dialSession(dial, { url: "https://relay.test/" });
  return { client, server: await serving };
}

test("what the peer asks of it is refused, and the session goes on", async () => {
  const { client, server } = await reader({
    trackStatus: async () => ({ largest: { group: 4, object: 2 } }),
  });
  const refused = { code: "request-rejected", message: expect.stringContaining("not served here") };
  await expect(server.subscribe({ track: video }, recorder().sink)).rejects.toMatchObject(refused);
  await expect(server.trackStatus(video)).rejects.toMatchObject(refused);
  await expect(server.publishNamespace(broadcast)).rejects.toMatchObject(refused);
  expect(await client.trackStatus(video)).toEqual({ largest: { group: 4, object: 2 } });
});

test("it cannot publish, and says so to whoever tries", async () => {
  const { client } = await reader({});
  await expect(client.publish(video, {})).rejects.toMatchObject({ code: "internal" });
});
