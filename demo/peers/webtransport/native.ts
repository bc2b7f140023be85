/**
 * The native module of @moq/web-transport, and the little of it that the peers use.
 *
 * Its own TypeScript layer is passed over: that one turns every reset and stop code into 0, copies each chunk twice,
 * and lets a forgotten stream end as if it were complete. All three matter to a relay.
 */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { CountersignError } from "../../../src/errors.ts";

export interface NativeReceiveStream {
  /** null at FIN; rejects with "RESET_STREAM: <code>" after a reset. */
  read(maxSize: number): Promise<Buffer | null>;
  /** Waits for a read that is under way. */
  stop(code: number): Promise<void>;
}

export interface NativeSendStream {
  /** Waits for flow control; rejects with "STOP_SENDING: <code>" when the peer wants no more. */
  write(data: Uint8Array): Promise<void>;
  finish(): Promise<void>;
  /** Waits for a write that is under way. */
  reset(code: number): Promise<void>;
  /** Higher goes first. */
  setPriority(priority: number): Promise<void>;
}

export interface NativeBidiStream {
  takeSend(): NativeSendStream;
  takeRecv(): NativeReceiveStream;
}

export interface NativeSession {
  readonly protocol: string | null;
  acceptUni(): Promise<NativeReceiveStream>;
  acceptBi(): Promise<NativeBidiStream>;
  openUni(): Promise<NativeSendStream>;
  openBi(): Promise<NativeBidiStream>;
  sendDatagram(data: Uint8Array): void;
  recvDatagram(): Promise<Buffer>;
  maxDatagramSize(): number;
  close(code: number, reason: string): void;
  closed(): Promise<{ closeCode: number; reason: string }>;
}

export interface NativeRequest {
  readonly url: Promise<string>;
  ok(): Promise<NativeSession>;
  reject(status: number): Promise<void>;
}

export interface NativeServer {
  accept(): Promise<NativeRequest | null>;
  /** Blocks the whole process while an accept is under way. */
  close(): void;
}

export interface NativeClient {
  connect(url: string, options?: { protocols?: string[] } | null): Promise<NativeSession>;
}

interface NativeModule {
  readonly NapiServer: { bind(address: string, certificatePem: Buffer, keyPem: Buffer): NativeServer };
  readonly NapiClient: {
    withSystemRoots(): NativeClient;
    withCertificateHashes(hashes: Buffer[]): NativeClient;
  };
}

let loaded: NativeModule | undefined;

/** Loads the module on first use. Throws "webtransport-unavailable" when this node cannot. */
export function native(): NativeModule {
  if (loaded === undefined) {
    const require = createRequire(import.meta.url);
    try {
      const entry = require.resolve("@moq/web-transport");
      loaded = require(join(dirname(entry), "..", "napi.cjs")) as NativeModule;
    } catch (error) {
      throw new CountersignError("webtransport-unavailable", "WebTransport for Node could not be loaded.", {
        hint: "Start peers with the runtime of scripts/node-runtime.ts: the module needs glibc 2.38 or newer.",
        cause: error,
      });
    }
  }
  return loaded;
}
