/** Opening a session that may publish as well as read: `connect` dials as a client, `accept` takes a WebTransport session that a server was given. */
import type { Connection, RequestHandlers } from "./connection.ts";
import { type AcceptOptions, acceptSession, type ConnectOptions, dialSession } from "./dialing.ts";
import { receiveRequest } from "./incoming-requests.ts";
import type { Dial, WebTransportPort } from "./port.ts";
import { PublishedTrackState } from "./published-track.ts";
import type { Serving } from "./serving.ts";

export type { AcceptOptions, ConnectOptions, SessionSettings } from "./dialing.ts";
export { IMPLEMENTATION } from "./dialing.ts";

/** What these handlers make of an end of a session. */
export function servingWith(handlers: RequestHandlers): Serving {
  return {
    receive: (host, stream, message, use) => receiveRequest(host, stream, message, handlers, use),
    publish: (host, stream, largest, options) => new PublishedTrackState(host, stream, {}, largest, options),
  };
}

/** Opens a session to a relay. Rejects as {@link dialSession} does. */
export function connect(
  dial: Dial,
  options: ConnectOptions,
  handlers: RequestHandlers = {},
): Promise<Connection> {
  return dialSession(dial, options, servingWith(handlers));
}

/** Takes a WebTransport session as a server. Rejects like connect(), without what only dialing can meet. */
export function accept(
  port: WebTransportPort,
  options: AcceptOptions,
  handlers: RequestHandlers,
): Promise<Connection> {
  return acceptSession(port, options, servingWith(handlers));
}
