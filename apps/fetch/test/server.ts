/** A real server that answers as a test says and counts what is under way. */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Answer = (path: string, response: ServerResponse, visit: number) => void;

export interface TestServer extends AsyncDisposable {
  /** For example `http://127.0.0.1:4000`. */
  readonly origin: string;
  /** Paths asked for, in order. */
  readonly visits: readonly string[];
  readonly inFlight: number;
  readonly peakInFlight: number;
  /** Answers not given because the client went away. */
  readonly abandoned: number;
  /** Resolves once the condition holds; it is looked at whenever a request comes or goes. */
  until(condition: () => boolean): Promise<void>;
}

export async function openServer(answer: Answer): Promise<TestServer> {
  const visits: string[] = [];
  const waiting = new Map<() => boolean, () => void>();
  let inFlight = 0;
  let peakInFlight = 0;
  let abandoned = 0;
  const changed = (): void => {
    for (const [condition, resolve] of waiting) {
      if (!condition()) continue;
      waiting.delete(condition);
      resolve();
    }
  };
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    visits.push(path);
    peakInFlight = Math.max(peakInFlight, ++inFlight);
    let isUnderWay = true;
    const done = (): void => {
      if (isUnderWay) inFlight--;
      isUnderWay = false;
      changed();
    };
    response.once("finish", done).once("close", () => {
      if (!response.writableFinished) abandoned++;
      done();
    });
    changed();
    answer(path, response, visits.filter((visited) => visited === path).length);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    visits,
    get inFlight() {
      return inFlight;
    },
    get peakInFlight() {
      return peakInFlight;
    },
    get abandoned() {
      return abandoned;
    },
    until: (condition) =>
      new Promise((resolve) => {
        if (condition()) resolve();
        else waiting.set(condition, resolve);
      }),
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
