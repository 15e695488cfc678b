/** Between threads and processes: streams, queues and portals over whatever posts messages. */
export type { NodePort, Port, ProcessPort, WebPort } from "./port.ts";
export { type PortStream, portStream, type PortStreamOptions } from "./port-stream.ts";
