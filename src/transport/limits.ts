/** What the transport holds and how long it waits. Each number says what it protects and what happens past it. */

/** Until the WebTransport session is open: name, QUIC and TLS handshake, CONNECT. Past it: "connect-timeout". Browsers themselves may take 30 s and more. */
export const CONNECT_TIMEOUT_MS = 10_000;

/** Until the peer's SETUP came after that; one round trip in health. Past it: CONTROL_MESSAGE_TIMEOUT, "connect-timeout". */
export const SETUP_TIMEOUT_MS = 5_000;

/** Until a request's first answer. A relay may have to subscribe upstream first. Past it: the request is cancelled, "request-timeout". */
export const REQUEST_TIMEOUT_MS = 10_000;

/** One object's payload. A 4K key frame at 50 Mbit/s stays below 4 MiB; whole-group objects of 2 s at that rate need 12. Past it: the stream is refused. */
export const MAX_OBJECT_BYTES = 16 * 1024 * 1024;

/**
 * Control bytes of one request stream waiting for a peer that does not read. Past it: the peer's half is not read either, and
 * announcements give up on the request (§10.18 allows that).
 */
export const MAX_QUEUED_CONTROL_BYTES = 256 * 1024;

/** How long a request stream is read on after our FIN, so that our last message is not overtaken by a STOP_SENDING. Past it: it is stopped. */
export const LINGER_MS = 3_000;

/** How long the end of the peer's control stream may precede the news that the session ended. Past it: a PROTOCOL_VIOLATION (§3.3). */
export const CONTROL_END_GRACE_MS = 250;

/**
 * Payloads up to this size are copied behind their header and written as one chunk; larger ones are written as they are. A write crosses into
 * the browser's network process (or a native add-on) whatever its size, which costs more than copying 4 KB; over the in-memory transport of the
 * tests both ways measure the same.
 */
export const COALESCE_BYTES = 4096;

/**
 * Small objects that gather while a write of the same stream is under way go out together, up to this many bytes: one read's worth
 * at the other end. Measured over the in-memory transport with 200 B objects: 870,000 objects/s instead of 190,000. Past it: a chunk of its own.
 */
export const MAX_BATCH_BYTES = 64 * 1024;

/** Datagrams that wait for the transport: about 64 ms of a 10 Mbit/s stream. Past it: the oldest is dropped, as a network would. */
export const MAX_QUEUED_DATAGRAMS = 64;
