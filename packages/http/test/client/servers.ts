/** Real servers for the client's tests, each with a count of the sockets it has open. */
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import { createServer as createHttpsServer, type ServerOptions } from "node:https";
import { type AddressInfo, createServer as createNetServer, type Socket } from "node:net";
import { type Coroutine, fromPromise, type Operation, operation, shield, use } from "@anyloop/core";
import { ClientSession, type ClientOptions } from "@anyloop/http/client";

export interface TestServer {
  readonly url: string;
  readonly port: number;
  /** How many connections it has accepted, and how many are open. */
  accepted(): number;
  open(): number;
  close(): Operation<void>;
}

interface AnyServer {
  listen(...target: unknown[]): unknown;
  close(callback: () => void): unknown;
  address(): unknown;
  on(event: string, listener: (socket: Socket) => void): unknown;
  once(event: "listening", listener: () => void): unknown;
}

async function started(server: AnyServer, scheme: string, path?: string): Promise<TestServer> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  server.on("connection", (socket) => {
    accepted++;
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => {
    server.once("listening", resolve);
    server.listen(...(path === undefined ? [0, "127.0.0.1"] : [path]));
  });
  const port = path === undefined ? (server.address() as AddressInfo).port : 0;
  const close = (): Operation<void> =>
    shield(
      fromPromise(
        () =>
          new Promise<void>((resolve) => {
            server.close(resolve);
            for (const socket of sockets) socket.destroy();
          }),
      ),
    );
  return {
    url: `${scheme}://127.0.0.1:${String(port)}`,
    port,
    accepted: () => accepted,
    open: () => sockets.size,
    close,
  };
}

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export const httpServer: (handler: Handler, path?: string) => Operation<TestServer> = operation(
  function* httpServer(handler: Handler, path?: string): Coroutine<TestServer> {
    const server = createHttpServer({ keepAliveTimeout: 60_000 }, handler);
    return yield* fromPromise(started(server, "http", path));
  },
);

export const httpsServer: (options: ServerOptions, handler: Handler) => Operation<TestServer> = operation(
  function* httpsServer(options: ServerOptions, handler: Handler): Coroutine<TestServer> {
    return yield* fromPromise(started(createHttpsServer(options, handler), "https"));
  },
);

/** Speaks what the test writes into the socket. */
export const rawServer: (handler: (socket: Socket) => void) => Operation<TestServer> = operation(
  function* rawServer(handler: (socket: Socket) => void): Coroutine<TestServer> {
    return yield* fromPromise(started(createNetServer(handler), "http"));
  },
);

/** Any server that listens as Node's do. */
export const otherServer: (server: Server | AnyServer, scheme: string) => Operation<TestServer> = operation(
  function* otherServer(server: Server | AnyServer, scheme: string): Coroutine<TestServer> {
    return yield* fromPromise(started(server, scheme));
  },
);

const serve = operation(function* serve(
  handler: Handler,
  options: ClientOptions,
  body: (session: ClientSession, server: TestServer) => Coroutine<unknown>,
): Coroutine<unknown> {
  return yield* use(httpServer(handler), function* (server) {
    return yield* use(new ClientSession({ baseUrl: server.url, ...options }), (session) =>
      body(session, server),
    );
  });
});

/** A server with this handler, and a session whose URLs are relative to it. */
export function withServer<T>(
  handler: Handler,
  body: (session: ClientSession, server: TestServer) => Coroutine<T>,
  options: ClientOptions = {},
): Operation<T> {
  return serve(handler, options, body) as Operation<T>;
}

/** The body of a request, whole. */
export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch {
    // The client went away in the middle: what it sent is all there is.
  }
  return Buffer.concat(chunks);
}
