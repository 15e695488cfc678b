/** anyloop and the web: streams, events, messages, abort signals and async iterables, both ways. */
export { aborted, withSignal } from "./abort-signal.ts";
export { asyncIterable, fromAsyncIterable } from "./async-iterables.ts";
export { events, once, toEventTarget } from "./events.ts";
export { fromReadable } from "./from-readable.ts";
export { fromBroadcastChannel, fromMessagePort, type MessageStream, type SendOptions } from "./messages.ts";
export { readableStream, toReadable, writableStream } from "./stream-pairs.ts";
export { toWritable } from "./to-writable.ts";
export { fromTransform, toTransform } from "./transform.ts";
