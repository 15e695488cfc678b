import type { ServerResponse } from "node:http";
import { kernel, native, run } from "anyloop";
import { describe, expect, test } from "vitest";
import { fetchAll, type FetchResult } from "../src/fetch-all.ts";
import { type Answer, openServer } from "./server.ts";

const quick = { backoff: 1, timeout: 5000 };

/** Paths of one origin. */
function pathsOf(origin: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${origin}/${index}`);
}

describe.each([
  ["kernel", kernel],
  ["native", native],
])("fetchAll on %s", (_, makeBackend) => {
  test("gives results in the order of the URLs, whichever answers first", async () => {
    const order: string[] = [];
    await using server = await openServer((path, response) => {
      // Answered in the order 2, 1, 0: each waits until the later one is done.
      const later = `/${Number(path.slice(1)) + 1}`;
      void server
        .until(() => path === "/2" || order.includes(later))
        .then(() => {
          order.push(path);
          response.end("x".repeat(Number(path.slice(1))));
        });
    });
    const results = await run(fetchAll(pathsOf(server.origin, 3), quick), { backend: makeBackend() });
    expect(order).toEqual(["/2", "/1", "/0"]);
    expect(
      results.map(({ url, status, bytes, tries, error }) => ({ url, status, bytes, tries, error })),
    ).toEqual(
      [0, 1, 2].map((bytes) => ({
        url: `${server.origin}/${bytes}`,
        status: 200,
        bytes,
        tries: 1,
        error: undefined,
      })),
    );
  });

  test("keeps the limit for each host, and the total one, and uses both up", async () => {
    const total = 5;
    const perHost = 3;
    let inFlight = 0;
    let peak = 0;
    const waiting: ServerResponse[] = [];
    let wasFull = false;
    const answer: Answer = (_path, response) => {
      peak = Math.max(peak, ++inFlight);
      response.once("finish", () => inFlight--);
      wasFull ||= inFlight === total;
      waiting.push(response);
      // The first ones wait for each other; the later ones stay a little, so that one too many would be seen.
      if (wasFull) for (const each of waiting.splice(0)) setTimeout(() => each.end(), 2);
    };
    await using first = await openServer(answer);
    await using second = await openServer(answer);
    const urls = [...pathsOf(first.origin, 20), ...pathsOf(second.origin, 20)];
    const results = await run(fetchAll(urls, { ...quick, total, perHost }), { backend: makeBackend() });
    expect(results.every(({ error }) => error === undefined)).toBe(true);
    expect(peak).toBe(total);
    expect(Math.max(first.peakInFlight, second.peakInFlight)).toBe(perHost);
  });

  test("a busy host does not keep places from another", async () => {
    await using busy = await openServer((_path, response) => {
      void quiet.until(() => quiet.visits.length === 1).then(() => response.end());
    });
    await using quiet = await openServer((_path, response) => response.end());
    const urls = [...pathsOf(busy.origin, 10), `${quiet.origin}/`];
    const results = await run(fetchAll(urls, { ...quick, total: 2, perHost: 1 }), { backend: makeBackend() });
    expect(results.map(({ status }) => status)).toEqual(urls.map(() => 200));
  });

  test("tries again after a 500 and after a broken connection, not after a 404", async () => {
    await using server = await openServer((path, response, visit) => {
      if (path === "/0" && visit === 1) response.writeHead(500).end();
      // In the midst of an answer: Bun tries again by itself if none has begun on a connection that it used before.
      else if (path === "/1" && visit === 1)
        response
          .writeHead(200, { "content-length": 5 })
          .write("he", () => response.socket?.resetAndDestroy());
      else if (path === "/2") response.writeHead(404).end("nothing");
      else response.end("hello");
    });
    const results = await run(fetchAll(pathsOf(server.origin, 3), quick), { backend: makeBackend() });
    expect(results.map(({ status, bytes, tries, error }) => [status, bytes, tries, error])).toEqual([
      [200, 5, 2, undefined],
      [200, 5, 2, undefined],
      [404, 7, 1, "the server answered 404"],
    ]);
  });

  test("gives up after the retries, and says why", async () => {
    await using server = await openServer((path, response) => {
      if (path === "/0") response.writeHead(503).end();
      else response.socket?.resetAndDestroy();
    });
    const results = await run(fetchAll(pathsOf(server.origin, 2), { ...quick, retries: 2 }), {
      backend: makeBackend(),
    });
    expect(results.map(({ status, tries }) => [status, tries])).toEqual([
      [503, 3],
      [undefined, 3],
    ]);
    expect(results[1]?.error).toMatch(/ECONNRESET|closed|reset/);
  });

  test("a try that takes too long ends and is tried again, in its head or in its body", async () => {
    await using server = await openServer((path, response, visit) => {
      if (visit > 1) response.end("hello");
      else if (path === "/1") response.write("hel");
    });
    const urls = pathsOf(server.origin, 2);
    const late = await run(fetchAll(urls, { timeout: 150, retries: 0 }), { backend: makeBackend() });
    expect(late.map(({ status, bytes, error }) => [status, bytes, error])).toEqual(
      urls.map(() => [undefined, undefined, "no complete answer within 150 ms"]),
    );
    await server.until(() => server.abandoned === 2);
    const again = await run(fetchAll(urls, quick), { backend: makeBackend() });
    expect(again.map(({ status, bytes, tries }) => [status, bytes, tries])).toEqual(
      urls.map(() => [200, 5, 1]),
    );
  });

  test("counts the tries that timed out and the pauses between them", async () => {
    await using server = await openServer((_path, response, visit) => {
      if (visit === 3) response.end();
    });
    const results = await run(fetchAll([server.origin], { timeout: 100, backoff: 10, retries: 2 }), {
      backend: makeBackend(),
    });
    expect(results[0]).toMatchObject({ status: 200, tries: 3 });
    // Two whole timeouts, and pauses of 10 and 20 ms.
    expect(results[0]?.ms).toBeGreaterThanOrEqual(230);
  });

  test("gives up a body that is too large, and hangs up", async () => {
    await using server = await openServer((path, response) => {
      if (path === "/0") response.end("x".repeat(1000));
      else response.write("x".repeat(1001));
    });
    const results = await run(fetchAll(pathsOf(server.origin, 2), { ...quick, maxBytes: 1000 }), {
      backend: makeBackend(),
    });
    expect(results.map(({ bytes, tries, error }) => [bytes, tries, error])).toEqual([
      [1000, 1, undefined],
      [undefined, 1, "the body has more than 1000 bytes"],
    ]);
    await server.until(() => server.abandoned === 1);
  });

  test("follows redirects", async () => {
    await using server = await openServer((path, response) => {
      if (path === "/0") response.writeHead(302, { location: "/there" }).end();
      else response.end("there");
    });
    const [result] = await run(fetchAll(pathsOf(server.origin, 1), quick), { backend: makeBackend() });
    expect(result).toMatchObject({ url: `${server.origin}/0`, status: 200, bytes: 5 });
  });

  test("cancelling the run hangs up on every request and starts no other", async () => {
    await using server = await openServer((path, response) => {
      if (path !== "/0") response.write("half");
    });
    const controller = new AbortController();
    const reason = new Error("enough");
    const running = run(fetchAll(pathsOf(server.origin, 20), { perHost: 4 }), {
      backend: makeBackend(),
      signal: controller.signal,
    });
    await server.until(() => server.inFlight === 4);
    controller.abort(reason);
    await expect(running).rejects.toBe(reason);
    await server.until(() => server.inFlight === 0);
    expect([server.visits.length, server.abandoned]).toEqual([4, 4]);
  });

  test("cancelling during the pause before a retry ends at once", async () => {
    await using server = await openServer((_path, response) => response.writeHead(500).end());
    const controller = new AbortController();
    const running = run(fetchAll([server.origin], { backoff: 30_000 }), {
      backend: makeBackend(),
      signal: controller.signal,
    });
    await server.until(() => server.visits.length === 1 && server.inFlight === 0);
    controller.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    expect(server.visits).toEqual(["/"]);
  });

  test("tells of each result as it comes, not at the end", async () => {
    const told: string[] = [];
    let answerFirst = (): void => {};
    await using server = await openServer((path, response) => {
      if (path === "/1") response.end();
      else answerFirst = () => response.end();
    });
    const onResult = ({ url }: FetchResult): void => {
      told.push(new URL(url).pathname);
      // Only now: a function that tells at the end would wait for ever.
      void server.until(() => server.visits.includes("/0")).then(() => answerFirst());
    };
    await run(fetchAll(pathsOf(server.origin, 2), { ...quick, onResult }), { backend: makeBackend() });
    expect(told).toEqual(["/1", "/0"]);
  });

  test.each([
    [{ total: 0 }, "0 in all"],
    [{ perHost: -1 }, "-1 for a host"],
    [{ timeout: Number.NaN }, "timeout"],
  ])("refuses %o before anything is fetched", async (options, message) => {
    await using server = await openServer((_path, response) => response.end());
    await expect(
      run(fetchAll(pathsOf(server.origin, 3), options), { backend: makeBackend() }),
    ).rejects.toThrow(message);
    expect(server.visits).toEqual([]);
  });

  test("refuses what is no URL before anything is fetched", async () => {
    await using server = await openServer((_path, response) => response.end());
    const running = run(fetchAll([server.origin, "nonsense"], quick), { backend: makeBackend() });
    await expect(running).rejects.toThrow(TypeError);
    expect(server.visits).toEqual([]);
  });
});

test("plain async code awaits it", async () => {
  await using server = await openServer((_path, response) => response.end("hello"));
  expect(await fetchAll([server.origin])).toMatchObject([{ status: 200, bytes: 5 }]);
});
