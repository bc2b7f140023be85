/**
 * Dialing with the browser's own WebTransport (https://www.w3.org/TR/webtransport/), on a page or in a worker.
 *
 * Browsers say little about why a session did not open, so that pages cannot scan networks; what can be told apart is, the rest is
 * "connect-failed" with a hint that names the usual causes.
 */
import { CountersignError } from "../errors.ts";
import type { Dial, DialOptions, WebTransportPort } from "./port.ts";
import { handled } from "./stream-errors.ts";

/** The constructor as we call it. Members a browser does not know (Firefox: `protocols`) are ignored by it, as Web IDL dictionaries are. */
type WebTransportConstructor = new (
  url: string,
  options: {
    readonly serverCertificateHashes?: readonly {
      readonly algorithm: "sha-256";
      readonly value: Uint8Array;
    }[];
    readonly protocols?: readonly string[];
  },
) => WebTransportPort;

const SHA256_BYTES = 32;

/** A {@link Dial} over `globalThis.WebTransport`, looked up at each call. */
export const browserDial: Dial = async (options, signal) => {
  signal.throwIfAborted();
  const address = webTransportAddress(options.url);
  const { WebTransport: Host } = globalThis as unknown as { readonly WebTransport?: WebTransportConstructor };
  if (!Host) {
    throw new CountersignError("webtransport-unavailable", "This browser has no WebTransport here.", {
      peer: options.url,
      hint: "Use a current Chrome, Edge, Firefox or Safari, and serve the page over https: or from localhost.",
    });
  }
  const port = construct(Host, address, options);
  const abort = () => port.close();
  signal.addEventListener("abort", abort, { once: true });
  // Rejects along with `ready`; the driver listens to it once the session is open.
  handled(port.closed);
  try {
    await port.ready;
    signal.throwIfAborted();
    return port;
  } catch (thrown) {
    if (signal.aborted) throw signal.reason;
    throw refused(thrown, options);
  } finally {
    signal.removeEventListener("abort", abort);
  }
};

/** The https: address of an https: or moqt: one (draft-18 §3.1.3). Rejects what WebTransport cannot dial with "address-invalid". */
export function webTransportAddress(url: string): string {
  let parsed: URL;
  try {
    parsed = new URL(url.replace(/^moqt:/i, "https:"));
  } catch (thrown) {
    throw invalidAddress(url, "is not a URL", thrown);
  }
  if (parsed.protocol !== "https:") throw invalidAddress(url, `begins with ${parsed.protocol}`);
  if (parsed.username !== "" || parsed.password !== "") throw invalidAddress(url, "carries credentials");
  // §3.1.2: the fragment is for us, never for the server; WebTransport refuses addresses that have one.
  parsed.hash = "";
  return parsed.href;
}

function invalidAddress(url: string, what: string, cause?: unknown): CountersignError {
  return new CountersignError("address-invalid", `The address "${url}" ${what}.`, {
    peer: url,
    hint: "Relay addresses look like https://relay.example.com:4443/path.",
    ...(cause !== undefined && { cause }),
  });
}

function construct(Host: WebTransportConstructor, address: string, options: DialOptions): WebTransportPort {
  const { certificateHashes = [], protocols, url } = options;
  if (certificateHashes.some((hash) => hash.byteLength !== SHA256_BYTES)) {
    throw new CountersignError("invalid-options", "A certificate hash is not a SHA-256 digest of 32 bytes.", {
      peer: url,
    });
  }
  const serverCertificateHashes = certificateHashes.map((value) => ({
    algorithm: "sha-256" as const,
    value,
  }));
  try {
    return new Host(address, {
      protocols,
      ...(serverCertificateHashes.length > 0 && { serverCertificateHashes }),
    });
  } catch (thrown) {
    if (nameOf(thrown) === "SyntaxError")
      throw invalidAddress(url, "is not one that WebTransport takes", thrown);
    throw new CountersignError(
      "webtransport-unavailable",
      "This browser's WebTransport refused the options.",
      {
        peer: url,
        cause: thrown,
        ...(serverCertificateHashes.length > 0 && {
          hint: "It may not know serverCertificateHashes; use a certificate the web trusts.",
        }),
      },
    );
  }
}

function refused(thrown: unknown, { url, certificateHashes = [] }: DialOptions): CountersignError {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  if (/certificate|CERT_/i.test(message)) {
    return new CountersignError("certificate-refused", "The browser refused the relay's certificate.", {
      peer: url,
      cause: thrown,
      hint: "Pinned certificates must be ECDSA, valid for at most 14 days, and match a given hash.",
    });
  }
  return new CountersignError(
    "connect-failed",
    `No session could be opened: ${message.replace(/\.?$/, ".")}`,
    {
      peer: url,
      cause: thrown,
      hint:
        certificateHashes.length > 0
          ? "Is the relay running, does UDP reach it, and does its certificate match one of the given hashes?"
          : "Is the relay running, does UDP reach it, and is its certificate one the web trusts?",
    },
  );
}

function nameOf(thrown: unknown): string | undefined {
  return thrown instanceof Error ? thrown.name : undefined;
}
