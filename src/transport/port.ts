/**
 * The part of WebTransport that Countersign uses, and nothing more.
 *
 * The browser's class fits it as it is; so do the Node adapter of the peers and the in-memory transport of the tests. Sessions are written against
 * this port, so a test can put any fault between two ends.
 */
export interface ReceiveStream {
  readonly readable: ReadableStream<Uint8Array>;
}

export interface SendStream {
  readonly writable: WritableStream<Uint8Array>;
}

export interface BidiStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;
}

export interface CloseInfo {
  readonly closeCode: number;
  readonly reason: string;
}

/** W3C WebTransport, narrowed. Stream resets show as errors of the readable; `abort` and `cancel` with a {@link StreamErrorReason} carry a code out. */
export interface WebTransportPort {
  readonly ready: Promise<void>;
  readonly closed: Promise<CloseInfo>;
  /** The subprotocol the server chose; "" or undefined when it chose none or the browser cannot tell. */
  readonly protocol?: string | undefined;
  readonly incomingUnidirectionalStreams: ReadableStream<ReadableStream<Uint8Array>>;
  readonly incomingBidirectionalStreams: ReadableStream<BidiStream>;
  readonly datagrams: {
    readonly readable: ReadableStream<Uint8Array>;
    readonly maxDatagramSize: number;
    /** As browsers had it first; newer ones have createWritable() instead. */
    readonly writable?: WritableStream<Uint8Array>;
    createWritable?(): WritableStream<Uint8Array>;
  };
  createUnidirectionalStream(options?: { sendOrder?: number }): Promise<WritableStream<Uint8Array>>;
  createBidirectionalStream(options?: { sendOrder?: number }): Promise<BidiStream>;
  close(info?: { closeCode?: number; reason?: string }): void;
}

/** How a dialer is asked for a session. */
export interface DialOptions {
  readonly url: string;
  /** SHA-256 digests of certificates to accept instead of the web's own authorities (development and tests). */
  readonly certificateHashes?: readonly Uint8Array[];
  /** WebTransport subprotocols to offer, best first, e.g. ["moqt-18"]. */
  readonly protocols: readonly string[];
}

/** Opens a session; resolves when it is ready. Rejects with a CountersignError ("connect-failed", "certificate-refused", "webtransport-unavailable", "address-invalid"). */
export type Dial = (options: DialOptions, signal: AbortSignal) => Promise<WebTransportPort>;
