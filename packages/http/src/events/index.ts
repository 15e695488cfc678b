/** Server-sent events: reading them, over as many connections as it takes, and writing them. */
export { encodeEvent, type EventToSend } from "./encode-event.ts";
export { EventParser, type EventParserOptions } from "./event-parser.ts";
export { type EventResponse, EventStream, type EventStreamOptions, type OpenEvents } from "./event-stream.ts";
export type { ServerSentEvent } from "./server-sent-event.ts";
