/** anyloop and Node: streams, event emitters and callbacks, both ways. */
export { type Callback, fromCallback, type Stop, toCallback } from "./callbacks.ts";
export { events, type EventsOptions, once, toEmitter } from "./events.ts";
export { fromDuplex } from "./from-duplex.ts";
export { fromReadable } from "./from-readable.ts";
export { duplex, type PairOptions, readable, toReadable, writable } from "./stream-pairs.ts";
export { toWritable } from "./to-writable.ts";
