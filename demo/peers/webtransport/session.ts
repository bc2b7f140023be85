/** A native session as the port that the SDK is written against: what a browser's WebTransport object would do. */
import type { BidiStream, CloseInfo, WebTransportPort } from "../../../src/transport/port.ts";
import type { NativeBidiStream, NativeSendStream, NativeSession } from "./native.ts";
import { ended, receiveStream, sendStream, translateError } from "./streams.ts";

/** How the native layer begins a close reason that no peer gave: timed out, reset, closed by ourselves. */
const LOST = "connection error:";

export class NodeWebTransport implements WebTransportPort {
  readonly ready: Promise<void> = Promise.resolve();
  /** As in browsers: resolves with what close() was given on either side, rejects when the connection was lost. */
  readonly closed: Promise<CloseInfo>;
  readonly incomingUnidirectionalStreams: ReadableStream<ReadableStream<Uint8Array>>;
  readonly incomingBidirectionalStreams: ReadableStream<BidiStream>;
  readonly datagrams: WebTransportPort["datagrams"] & { readonly writable: WritableStream<Uint8Array> };
  readonly protocol: string;
  readonly #session: NativeSession;
  readonly #openSends = new Set<NativeSendStream>();
  #closedByUs: CloseInfo | undefined;

  constructor(session: NativeSession) {
    this.#session = session;
    this.protocol = session.protocol ?? "";
    this.closed = this.#watchClose();
    this.closed.catch(ended);
    this.incomingUnidirectionalStreams = this.#incoming(async () => receiveStream(await session.acceptUni()));
    this.incomingBidirectionalStreams = this.#incoming(async () => this.#bidi(await session.acceptBi()));
    this.datagrams = {
      readable: this.#incoming(async () => {
        const { buffer, byteOffset, byteLength } = await session.recvDatagram();
        return new Uint8Array(buffer, byteOffset, byteLength);
      }),
      writable: new WritableStream<Uint8Array>({
        write(datagram) {
          session.sendDatagram(datagram);
        },
      }),
      get maxDatagramSize(): number {
        return session.maxDatagramSize();
      },
    };
  }

  async createUnidirectionalStream(
    options: { sendOrder?: number } = {},
  ): Promise<WritableStream<Uint8Array>> {
    const send = await this.#session.openUni().catch(rethrow);
    await prioritize(send, options.sendOrder);
    return sendStream(send, this.#openSends);
  }

  async createBidirectionalStream(options: { sendOrder?: number } = {}): Promise<BidiStream> {
    const native = await this.#session.openBi().catch(rethrow);
    const send = native.takeSend();
    await prioritize(send, options.sendOrder);
    return { readable: receiveStream(native.takeRecv()), writable: sendStream(send, this.#openSends) };
  }

  close(info: { closeCode?: number; reason?: string } = {}): void {
    if (this.#closedByUs !== undefined) return;
    this.#closedByUs = { closeCode: info.closeCode ?? 0, reason: info.reason ?? "" };
    this.#session.close(this.#closedByUs.closeCode, this.#closedByUs.reason);
  }

  async #watchClose(): Promise<CloseInfo> {
    const info = await this.#session.closed();
    this.#openSends.clear();
    if (this.#closedByUs !== undefined) return this.#closedByUs;
    if (info.reason.startsWith(LOST)) throw translateError(new Error(info.reason));
    return { closeCode: info.closeCode, reason: info.reason };
  }

  #bidi(native: NativeBidiStream): BidiStream {
    return {
      readable: receiveStream(native.takeRecv()),
      writable: sendStream(native.takeSend(), this.#openSends),
    };
  }

  /** Accepts one at a time, when asked; closes with the session, errors when the connection was lost. */
  #incoming<T>(accept: () => Promise<T>): ReadableStream<T> {
    const closed = this.closed;
    return new ReadableStream<T>(
      {
        async pull(controller) {
          let item: T;
          try {
            item = await accept();
          } catch {
            // accept fails only because the session ended, and `closed` knows how it did.
            await closed.then(
              () => controller.close(),
              (error: unknown) => controller.error(error),
            );
            return;
          }
          controller.enqueue(item);
        },
      },
      { highWaterMark: 0 },
    );
  }
}

async function prioritize(send: NativeSendStream, sendOrder: number | undefined): Promise<void> {
  if (sendOrder !== undefined) await send.setPriority(sendOrder);
}

function rethrow(error: unknown): never {
  throw translateError(error);
}
