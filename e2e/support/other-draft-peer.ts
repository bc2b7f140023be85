/** A relay of another time: lets everybody in, hears what they say, and closes because it speaks another draft. Logs how to reach it. */
import { report, runPeer } from "../../demo/peers/cluster/child.ts";
import { createCertificate } from "../../demo/peers/webtransport/certificates.ts";
import { WebTransportServer } from "../../demo/peers/webtransport/server.ts";
import type { WebTransportPort } from "../../src/transport/port.ts";
import { sessionErrors } from "../../src/wire/codes.ts";

const REFUSAL = {
  closeCode: sessionErrors["version-negotiation-failed"],
  reason: "this relay speaks moqt-07",
};

async function refuse(session: WebTransportPort): Promise<void> {
  for await (const stream of session.incomingUnidirectionalStreams) {
    // Their SETUP.
    await stream.getReader().read();
    session.close(REFUSAL);
    return;
  }
}

await runPeer(async (stop) => {
  const certificate = await createCertificate();
  const server = await WebTransportServer.listen({
    certificate,
    // Whoever leaves before they are refused has left.
    onSession: (session) => void refuse(session).catch(() => undefined),
  });
  const hash = Buffer.from(certificate.sha256).toString("hex");
  report({ type: "log", text: JSON.stringify({ url: server.url, hash }) });
  report({ type: "ready" });
  await new Promise((resolve) => stop.addEventListener("abort", resolve, { once: true }));
  await server.close();
});
