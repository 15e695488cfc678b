/** anyloop and Effect: effects as operations and operations as effects, streams and queues both ways. */
export { fromEffect } from "./from-effect.ts";
export { fromStream } from "./from-stream.ts";
export { fromQueue, toQueue } from "./queues.ts";
export { toEffect, type ToEffectOptions } from "./to-effect.ts";
export { stream, toStream } from "./to-stream.ts";
