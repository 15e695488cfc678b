/** Between threads and processes: streams, queues and portals over whatever posts messages. */
export type { NodePort, Port, ProcessPort, WebPort } from "./port.ts";
export {
  type PortalFunctions,
  type PortalResult,
  type PortPortal,
  portPortal,
  type PortPortalOptions,
  servePortal,
} from "./port-portal.ts";
export { type PortQueue, portQueue, type PortQueueOptions, shareQueue } from "./port-queue.ts";
export { type PortStream, portStream, type PortStreamOptions } from "./port-stream.ts";
export { createRing, type Ring, RingReader } from "./ring.ts";
