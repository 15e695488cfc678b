/**
 * A client for tests: it asks an application over byte streams, those of a memory network for instance, so that no port
 * is needed and the network can be slow, or break, at will. aiohttp's `TestClient`.
 *
 * Invariant: each request has a connection of its own, which is closed once the response is there or the call has failed.
 */
import { type IncomingHttpHeaders, type IncomingMessage, request as nodeRequest } from "node:http";
import { type ByteStream, type Coroutine, type Operation, perform, taskGroup, use } from "@anyloop/core";
import { suspend } from "@anyloop/core/lowlevel";
import { ByteStreamDuplex } from "./byte-stream-duplex.ts";

export interface TestRequestInit {
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Text or bytes; anything else is sent as JSON. */
  readonly body?: unknown;
}

/** A response that has come to its end. */
export class TestResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Uint8Array;

  /** @internal */
  constructor(status: number, headers: IncomingHttpHeaders, bytes: Uint8Array) {
    this.status = status;
    this.headers = headers;
    this.bytes = bytes;
  }

  get text(): string {
    return new TextDecoder().decode(this.bytes);
  }

  /** @throws SyntaxError. */
  json(): unknown {
    return JSON.parse(this.text) as unknown;
  }
}

/**
 * ```ts
 * import { run, taskGroup } from "anyloop";
 * import { Application, serve, ServerResponse, type Serving, TestClient } from "@anyloop/http/server";
 * import { MemoryNetwork } from "@anyloop/testing";
 *
 * const app = new Application().get("/users/:id", ({ params }) => ServerResponse.json({ id: params.id }));
 * await run(() => taskGroup(function* (group) {
 *   const network = new MemoryNetwork();
 *   const listener = yield* network.host("server").listen(80);
 *   const near = network.host("client");
 *   yield* group.start<Serving>((status) => serve(app, { listener }, status));
 *   const client = new TestClient(() => near.connect("server", 80));
 *   const response = yield* client.get("/users/7");
 *   console.log(response.status, response.text); // 200 {"id":"7"}
 *   group.cancel();
 * }));
 * ```
 */
export class TestClient {
  private readonly connect: () => Operation<ByteStream>;

  /** `connect` opens a connection, one for each request. */
  constructor(connect: () => Operation<ByteStream>) {
    this.connect = connect;
  }

  get(path: string, init?: TestRequestInit): Operation<TestResponse> {
    return this.request("GET", path, init);
  }

  post(path: string, init?: TestRequestInit): Operation<TestResponse> {
    return this.request("POST", path, init);
  }

  /** @throws the error of the runtime's client if no response came, or not all of it. */
  request(method: string, path: string, init: TestRequestInit = {}): Operation<TestResponse> {
    return perform(this, this.doRequest, method, path, init);
  }

  private *doRequest(method: string, path: string, init: TestRequestInit): Coroutine<TestResponse> {
    return yield* use(this.connect(), (stream) => exchange(stream, method, path, init));
  }
}

function* exchange(
  stream: ByteStream,
  method: string,
  path: string,
  init: TestRequestInit,
): Coroutine<TestResponse> {
  const duplex = new ByteStreamDuplex(stream);
  return yield* taskGroup(function* (group): Coroutine<TestResponse> {
    group.startSoon(duplex.carry(), { daemon: true });
    return yield* ask(duplex, method, path, init);
  });
}

/** Not as a promise: a virtual clock would stand still for it, and what we wait for may wait for the clock. */
function ask(
  duplex: ByteStreamDuplex,
  method: string,
  path: string,
  { headers = {}, body }: TestRequestInit,
): Operation<TestResponse> {
  const isRaw = body === undefined || typeof body === "string" || body instanceof Uint8Array;
  const type = isRaw ? {} : { "content-type": "application/json" };
  const all = { host: "localhost", connection: "close", ...type, ...headers };
  return suspend<TestResponse>((waiter) => {
    const request = nodeRequest({ method, path, headers: all, createConnection: () => duplex });
    const gather = (response: IncomingMessage): void => {
      const pieces: Uint8Array[] = [];
      response.on("data", (piece: Uint8Array) => pieces.push(piece));
      response.on("error", settle);
      response.on("end", () => {
        settle(
          undefined,
          new TestResponse(response.statusCode as number, response.headers, Buffer.concat(pieces)),
        );
      });
    };
    let isOver = false;
    const settle = (error: unknown, response?: TestResponse): void => {
      if (isOver) return;
      isOver = true;
      if (response === undefined) waiter.fail(error);
      else waiter.resume(response);
    };
    request.on("response", gather).on("error", settle);
    request.end(isRaw ? body : JSON.stringify(body));
    return () => {
      isOver = true;
      request.destroy();
      return true;
    };
  });
}
