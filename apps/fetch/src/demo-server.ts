/**
 * A server on this machine with pages of different delays, sizes and faults, so that the demo needs no network.
 *
 * Invariant: what a page answers depends only on how often it was visited, so each new server plays the same part.
 */
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fromPromise, type Operation, operation } from "anyloop";

type Page = (response: ServerResponse, visit: number) => void;

const plainPages = Array.from({ length: 16 }, (_, index): [path: string, page: Page] => [
  `/page/${index + 1}`,
  page(30 + ((index * 47) % 120), 300 * (index + 1) ** 2),
]);

const pages = new Map<string, Page>([
  ...plainPages,
  ["/recovers", (response, visit) => (visit === 1 ? answer(response, 500, 20) : answer(response, 200, 2000))],
  ["/broken", (response) => answer(response, 500, 20)],
  ["/missing", (response) => answer(response, 404, 20)],
  ["/redirect", (response) => response.writeHead(302, { location: "/page/1" }).end()],
  ["/reset", (response) => response.socket?.resetAndDestroy()],
  ["/endless", endless],
  ["/drips", drips],
  ["/silent", () => {}],
]);

function page(delay: number, size: number): Page {
  return (response) => later(response, delay, () => answer(response, 200, size));
}

function answer(response: ServerResponse, status: number, size: number): void {
  response.writeHead(status, { "content-type": "text/plain" }).end("x".repeat(size));
}

/** As fast as the client reads. */
function endless(response: ServerResponse): void {
  const write = (): void => {
    while (!response.destroyed && response.write("x".repeat(16_384)));
  };
  response.on("drain", write);
  write();
}

/** Always a little more, so that only a limit on the whole try ends it. */
function drips(response: ServerResponse): void {
  response.write("x");
  later(response, 50, () => drips(response));
}

/** No timer outlives the connection it is for. */
function later(response: ServerResponse, delay: number, act: () => void): void {
  const stop = (): void => clearTimeout(timer);
  const timer = setTimeout(() => {
    response.off("close", stop);
    act();
  }, delay);
  response.once("close", stop);
}

export class DemoServer {
  /** One for each page. */
  readonly urls: readonly string[];
  private readonly server: Server;
  private readonly visits = new Map<string, number>();
  private inFlight = 0;
  private peak = 0;

  constructor(server: Server) {
    this.server = server;
    const { port } = server.address() as AddressInfo;
    this.urls = [...pages.keys()].map((path) => `http://127.0.0.1:${port}${path}`);
    server.on("request", ({ url = "/" }, response) => this.serve(url, response));
  }

  /** Requests that were under way at once at most. */
  get peakInFlight(): number {
    return this.peak;
  }

  async close(): Promise<void> {
    const closed = once(this.server, "close");
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private serve(path: string, response: ServerResponse): void {
    const visit = (this.visits.get(path) ?? 0) + 1;
    this.visits.set(path, visit);
    this.count(response);
    pages.get(path)?.(response, visit);
  }

  private count(response: ServerResponse): void {
    this.peak = Math.max(this.peak, ++this.inFlight);
    const done = (): void => {
      response.off("finish", done).off("close", done);
      this.inFlight--;
    };
    // "finish" comes before the client sees the end, "close" when the client goes away first.
    response.on("finish", done).on("close", done);
  }
}

/** Opens the server on a free port of this machine, reachable from nowhere else. */
export const openDemoServer: () => Operation<DemoServer> = operation(function* openDemoServer() {
  const server = createServer();
  const listening = once(server, "listening");
  server.listen(0, "127.0.0.1");
  yield* fromPromise(() => listening);
  return new DemoServer(server);
});
