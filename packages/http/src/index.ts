/** The whole of it: the client session, the server and websockets. `@anyloop/http/client` also runs in a browser. */
export * from "./client/index.ts";
export * from "./server/index.ts";
export * from "./events/index.ts";
export * from "./websocket/index.ts";
