/** For whoever writes the bridge to another broker. */
export { Change } from "./change.ts";
export { checkValue, encode } from "./json.ts";
export { type PulledMessage, PulledReceiver, type PullSource, type Settlement } from "./pulled-receiver.ts";
export { checkLimits, type WorkQueueLimits } from "./work-queue.ts";
