/** A WebTransport server in Node, for the embedded peers. */
import { createSocket } from "node:dgram";
import type { WebTransportPort } from "../../../src/transport/port.ts";
import type { Certificate } from "./certificates.ts";
import { dial } from "./client.ts";
import type { NativeRequest, NativeServer } from "./native.ts";
import { native } from "./native.ts";
import { NodeWebTransport } from "./session.ts";
import { ended } from "./streams.ts";

export interface ServerOptions {
  readonly certificate: Certificate;
  /** An IP address of this machine; 127.0.0.1 when absent. */
  readonly host?: string;
  /** UDP port; 0 or absent: a free one. */
  readonly port?: number;
  /** Decides on a client before it gets a session: an HTTP status to refuse it with, or nothing. */
  readonly refuse?: (url: URL) => number | undefined;
  /** Called for every client that was let in, before any of its streams is read. */
  readonly onSession: (session: WebTransportPort, url: URL) => void;
}

/** Told to clients of a server that closes. 0 is "no error" in MOQT (draft-ietf-moq-transport-18 §3.5). */
const CLOSING = { closeCode: 0, reason: "server closed" };
/** HTTP "service unavailable", for whoever connects while the server closes. */
const UNAVAILABLE = 503;

export class WebTransportServer {
  readonly host: string;
  readonly port: number;
  readonly #options: ServerOptions;
  readonly #server: NativeServer;
  readonly #sessions = new Set<NodeWebTransport>();
  readonly #accepting: Promise<void>;
  #closing: Promise<void> | undefined;

  private constructor(options: ServerOptions, host: string, port: number) {
    const { certificatePem, keyPem } = options.certificate;
    this.host = host;
    this.port = port;
    this.#options = options;
    this.#server = native().NapiServer.bind(
      `${host}:${port}`,
      Buffer.from(certificatePem),
      Buffer.from(keyPem),
    );
    this.#accepting = this.#acceptAll();
  }

  /** Throws the native error when the port is taken, "webtransport-unavailable" under a node that cannot. */
  static async listen(options: ServerOptions): Promise<WebTransportServer> {
    const host = options.host ?? "127.0.0.1";
    // The native server does not tell which port it was given, so a free one is found beforehand.
    return new WebTransportServer(options, host, options.port || (await freePort(host)));
  }

  /** The address to dial, with the path that the peers use. */
  get url(): string {
    return `https://${this.host}:${this.port}/`;
  }

  /** The sessions that are open now. */
  get sessions(): ReadonlySet<WebTransportPort> {
    return this.#sessions;
  }

  /**
   * Ends every session, so that clients learn it at once and not by time-out, and lets nobody in any more. The port
   * stays taken until the process ends; a restart on the same port is a restart of the process.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const sessions = [...this.#sessions];
    for (const session of sessions) session.close(CLOSING);
    await Promise.allSettled(sessions.map((session) => session.closed));
    // The native accept cannot be cancelled and keeps the process alive; a last visitor, ourselves, ends it.
    const host = this.host === "0.0.0.0" ? "127.0.0.1" : this.host;
    const visit = dial({
      url: `https://${host}:${this.port}/`,
      certificateHashes: [this.#options.certificate.sha256],
      protocols: [],
    }).catch(ended);
    await this.#accepting;
    await visit;
    this.#server.close();
  }

  async #acceptAll(): Promise<void> {
    for (;;) {
      const request = await this.#server.accept();
      if (request === null) return;
      // Not awaited: a client that is slow to set up must not keep others out.
      const admitted = this.#admit(request);
      if (this.#closing !== undefined) {
        await admitted;
        return;
      }
    }
  }

  async #admit(request: NativeRequest): Promise<void> {
    let url: URL;
    let session: NodeWebTransport;
    try {
      url = new URL(await request.url);
      const refused = this.#closing === undefined ? this.#options.refuse?.(url) : UNAVAILABLE;
      if (refused !== undefined) {
        await request.reject(refused);
        return;
      }
      session = new NodeWebTransport(await request.ok());
    } catch {
      return; // The client went away meanwhile; nothing was promised to anybody.
    }
    this.#sessions.add(session);
    const forget = (): void => {
      this.#sessions.delete(session);
    };
    session.closed.then(forget, forget);
    // Let in while the server closed: the ones that #close() has ended are not to be joined by another.
    if (this.#closing !== undefined) session.close(CLOSING);
    else this.#options.onSession(session, url);
  }
}

function freePort(host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4");
    socket.once("error", reject);
    socket.bind(0, host, () => {
      const { port } = socket.address();
      socket.close(() => resolve(port));
    });
  });
}
