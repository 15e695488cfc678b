/** What servers of several tests answer, and what those tests look at. */
import { type Coroutine, sleep } from "@anyloop/core";
import type { ClientSession } from "@anyloop/http/client";
import { expect } from "vitest";
import { bodyOf, type Handler, type TestServer } from "./servers.ts";

/** A request, as the server has seen it. */
export interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** `/302/where` redirects there; other paths tell what they were asked. */
export const redirecting: Handler = (request, response) => {
  const [, status, location] = /^\/(30\d)\/(.*)$/.exec(request.url ?? "") ?? [];
  if (status !== undefined) {
    response.writeHead(Number(status), { location: location ?? "" }).end("moved");
    return;
  }
  void bodyOf(request).then((body) => {
    const { method, url, headers } = request;
    response.end(JSON.stringify({ method, url, headers, body: body.toString() }));
  });
};

/** Tells what it was asked, as JSON. */
export const echo: Handler = (request, response) => {
  void bodyOf(request).then((body) => {
    const { method, url, headers } = request;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ method, url, headers, body: body.toString("latin1") }));
  });
};

/** Answers `/slow` never, `/half` half, `/big` more than fits anywhere, others at once. */
export const mixed: Handler = (request, response) => {
  if (request.url === "/slow") return;
  if (request.url === "/half") {
    response.setHeader("content-length", "10");
    response.write("half");
    return;
  }
  response.end(request.url === "/big" ? Buffer.alloc(5_000_000) : "quick");
};

export function* quick(session: ClientSession): Coroutine<void> {
  expect(yield* (yield* session.get("/quick")).text()).toBe("quick");
}

export function* untilClosed(server: TestServer, open: number): Coroutine<void> {
  while (server.open() > open) yield* sleep(1);
}

/** Counters of a session that has nothing left. */
export const clean = { connections: 0, idle: 0, active: 0, waiting: 0 };
