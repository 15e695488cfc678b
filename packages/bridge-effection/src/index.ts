/** anyloop and Effection: operations and streams, both ways. */
export { fromEffection } from "./from-effection.ts";
export { fromStream } from "./from-stream.ts";
export { toEffection } from "./to-effection.ts";
export { stream, toSignal, toStream } from "./to-stream.ts";
