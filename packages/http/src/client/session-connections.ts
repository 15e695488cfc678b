/**
 * What a session opens besides requests: streams of events and websockets, with the session's header fields, cookies and
 * TLS options.
 *
 * Invariant: they are made of what the session gives to everybody, but for a body that outlives a cancelled `receive`.
 */
import { type Coroutine, operation, type Operation } from "@anyloop/core";
import { type EventResponse, EventStream, type EventStreamOptions } from "../events/index.ts";
import { connectWebSocket } from "../websocket/connect.ts";
import type { ConnectWebSocketOptions } from "../websocket/connect-framed.ts";
import type { WebSocketStream } from "../websocket/web-socket-stream.ts";
import { HttpHeaders } from "../headers.ts";
import type { RequestOptions } from "./request.ts";
import type { ClientSession } from "./session.ts";

export interface SessionEventOptions extends EventStreamOptions {
  readonly headers?: RequestOptions["headers"];
  readonly query?: RequestOptions["query"];
  readonly auth?: RequestOptions["auth"];
}

/** A stream of events may last for ever, and be silent for long; what makes a connection is limited as ever. */
const unlimited = { total: Infinity, betweenChunks: Infinity };

const openEvents = operation(function* openEvents(
  session: ClientSession,
  url: string | URL,
  { headers, query, auth }: SessionEventOptions,
  lastEventId: string,
): Coroutine<EventResponse> {
  const fields = new HttpHeaders({ accept: "text/event-stream", "cache-control": "no-store" });
  if (headers !== undefined) fields.setAll(headers);
  if (lastEventId !== "") fields.set("last-event-id", lastEventId);
  const response = yield* session.get(url, { headers: fields, query, auth, timeout: unlimited });
  return { status: response.status, headers: response.headers, stream: response.keptStream() };
});

export function eventsOf(
  session: ClientSession,
  url: string | URL,
  options: SessionEventOptions,
): EventStream {
  return new EventStream((lastEventId) => openEvents(session, url, options, lastEventId), options);
}

export function websocketOf(
  session: ClientSession,
  url: string | URL,
  options: ConnectWebSocketOptions,
): Operation<WebSocketStream> {
  const { url: target, headers, tls } = session.defaultsFor(url);
  if (options.headers !== undefined) headers.setAll(options.headers);
  const fields = headers.toJSON();
  return connectWebSocket(target, {
    ...options,
    // Where the host makes the connection it takes neither: what there is none of must not be given.
    headers: Object.keys(fields).length === 0 ? undefined : fields,
    tls: options.tls ?? tls,
  });
}
