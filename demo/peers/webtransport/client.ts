/** Dialing from Node: what `new WebTransport(...)` is to a page. */
import { CountersignError } from "../../../src/errors.ts";
import type { DialOptions, WebTransportPort } from "../../../src/transport/port.ts";
import type { NativeSession } from "./native.ts";
import { native } from "./native.ts";
import { NodeWebTransport } from "./session.ts";
import { ended } from "./streams.ts";

/**
 * Connects to a WebTransport server; fits `Dial` of src/transport/port.ts. Rejects with "address-invalid",
 * "certificate-refused" or "connect-failed", or with the signal's reason. A port where nobody listens shows only after
 * QUIC's own time-out, so callers that cannot wait bring a signal.
 */
export async function dial(options: DialOptions, signal?: AbortSignal): Promise<WebTransportPort> {
  signal?.throwIfAborted();
  const url = parseAddress(options.url);
  const { NapiClient } = native();
  const hashes = options.certificateHashes ?? [];
  const client =
    hashes.length > 0
      ? NapiClient.withCertificateHashes(hashes.map((hash) => Buffer.from(hash)))
      : NapiClient.withSystemRoots();
  const connecting = client.connect(
    url.href,
    options.protocols.length > 0 ? { protocols: [...options.protocols] } : null,
  );
  try {
    return new NodeWebTransport(await orAborted(connecting, signal));
  } catch (error) {
    if (signal?.aborted) throw error;
    throw translate(error, options.url);
  }
}

function parseAddress(address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol === "https:") return url;
  throw new CountersignError("address-invalid", `"${address}" is not the address of a relay.`, {
    hint: "WebTransport addresses begin with https://.",
    peer: address,
  });
}

/** The native connect cannot be cancelled: a session that comes after the signal is closed at once. */
function orAborted(
  connecting: Promise<NativeSession>,
  signal: AbortSignal | undefined,
): Promise<NativeSession> {
  if (signal === undefined) return connecting;
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(signal.reason);
      connecting.then((session) => session.close(0, "not wanted any more")).catch(ended);
    };
    signal.addEventListener("abort", abort, { once: true });
    connecting.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

function translate(error: unknown, peer: string): CountersignError {
  const message = error instanceof Error ? error.message : String(error);
  return /certificate/.test(message)
    ? new CountersignError("certificate-refused", `The certificate of ${peer} was refused: ${message}`, {
        hint: "Pin the SHA-256 of the certificate that the relay uses now.",
        peer,
        cause: error,
      })
    : new CountersignError("connect-failed", `${peer} could not be reached: ${message}`, {
        hint: "Check that the relay runs, and its address and port.",
        peer,
        cause: error,
      });
}
