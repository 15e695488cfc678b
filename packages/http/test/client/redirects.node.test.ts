/** Redirects, and what may not go with them. */
import { type Coroutine, use } from "@anyloop/core";
import { RedirectError, TotalTimeout } from "@anyloop/http/client";
import { expect } from "vitest";
import { caught, each } from "../../../../tools/test-support/each-real.ts";
import { redirecting, type Seen } from "./handlers.ts";
import { httpServer, withServer } from "./servers.ts";

each("redirects are followed, and told", () =>
  withServer(redirecting, function* (session, server) {
    const response = yield* session.get("/302//301//a?b");
    expect(response.url).toBe(`${server.url}/a?b`);
    expect(response.history.map(({ status, url }) => [status, url])).toEqual([
      [302, `${server.url}/302//301//a?b`],
      [301, `${server.url}/301//a?b`],
    ]);
    expect((yield* response.json<Seen>()).url).toBe("/a?b");
    const unfollowed = yield* session.get("/302//a", { maxRedirects: 0 });
    expect(unfollowed.status).toBe(302);
    expect(yield* unfollowed.text()).toBe("moved");
  }),
);

each("303, and 301 or 302 after POST, become GET; 307 and 308 send the same again", () =>
  withServer(redirecting, function* (session) {
    const send = function* (status: number, method: string): Coroutine<Seen> {
      return yield* (yield* session.request(method, `/${String(status)}//x`, { json: 1 })).json<Seen>();
    };
    for (const [status, method, then] of [
      [301, "POST", "GET"],
      [302, "POST", "GET"],
      [303, "PUT", "GET"],
      [302, "PUT", "PUT"],
      [307, "POST", "POST"],
      [308, "POST", "POST"],
    ] as const) {
      const seen = yield* send(status, method);
      expect([status, method, seen.method]).toEqual([status, method, then]);
      expect(seen.body).toBe(then === "GET" ? "" : "1");
      expect(seen.headers["content-type"]).toBe(then === "GET" ? undefined : "application/json");
    }
  }),
);

each("a circle of redirects ends, a redirect to elsewhere than HTTP is refused", () =>
  withServer(
    (request, response) => {
      const location =
        request.url === "/file" ? "file:///etc/passwd" : request.url === "/none" ? "http://[" : "/circle";
      response.writeHead(302, { location }).end();
    },
    function* (session) {
      const error = yield* caught(session.get("/circle"));
      expect(error).toBeInstanceOf(RedirectError);
      expect(String(error)).toContain("10 redirects");
      expect(yield* caught(session.get("/file"))).toBeInstanceOf(RedirectError);
      expect(yield* caught(session.get("/none"))).toBeInstanceOf(RedirectError);
    },
  ),
);

each("a redirected stream cannot be sent again", () =>
  withServer(redirecting, function* (session) {
    const body = (async function* () {
      yield new Uint8Array(1);
    })();
    const error = yield* caught(session.put("/307//x", { body }));
    expect(error).toBeInstanceOf(RedirectError);
    expect(String(error)).toContain("stream");
  }),
);

each("credentials and cookies stay with their origin", () =>
  use(httpServer(redirecting), (other) =>
    withServer(
      redirecting,
      function* (session, server) {
        const headers = { authorization: "Bearer secret", cookie: "a=1", "x-kept": "1" };
        const crossing = yield* session.get(`/307/${other.url}/x`, { headers });
        const seen = yield* crossing.json<Seen>();
        expect(crossing.url).toBe(`${other.url}/x`);
        expect(seen.headers).toMatchObject({ "x-kept": "1" });
        expect(seen.headers).not.toHaveProperty("authorization");
        expect(seen.headers).not.toHaveProperty("cookie");
        const staying = yield* (yield* session.get("/307//x", { headers })).json<Seen>();
        expect(staying.headers).toMatchObject(headers);
        const basic = yield* (yield* session.get(`/307/${other.url}/x`)).json<Seen>();
        expect(basic.headers).not.toHaveProperty("authorization");
        const elsewhere = yield* (yield* session.get(`${other.url}/x`)).json<Seen>();
        expect(elsewhere.headers).not.toHaveProperty("authorization");
        const here = yield* (yield* session.get(`${server.url}/x`)).json<Seen>();
        expect(here.headers["authorization"]).toBe(`Basic ${btoa("me:pass")}`);
      },
      { auth: { scheme: "basic", username: "me", password: "pass" } },
    ),
  ),
);

each("the time limit of the whole covers redirects and their bodies", () =>
  withServer(
    (_request, response) => setTimeout(() => response.writeHead(302, { location: "/" }).end(), 30),
    function* (session) {
      expect(yield* caught(session.get("/", { timeout: 100 }))).toBeInstanceOf(TotalTimeout);
    },
  ),
);
