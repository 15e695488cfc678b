/** Cookies, and basic and digest authentication. */
import { createHash } from "node:crypto";
import { type Coroutine, use } from "@anyloop/core";
import { ClientSession } from "@anyloop/http/client";
import { CookieJar } from "tough-cookie";
import { expect } from "vitest";
import { each } from "../../../../tools/test-support/each-real.ts";
import { eachOnUndici } from "./each-undici.ts";
import { redirecting, type Seen } from "./handlers.ts";
import { type Handler, httpServer, withServer } from "./servers.ts";

const cookieServer: Handler = (request, response) => {
  if (request.url === "/set") {
    response.setHeader("set-cookie", [
      "a=1; Path=/",
      "b=2; Path=/only",
      "c=3; Domain=example.com",
      "nonsense",
    ]);
  }
  if (request.url === "/redirect") response.writeHead(302, { location: "/", "set-cookie": "d=4" });
  response.end(request.headers.cookie ?? "none");
};

eachOnUndici("cookies are kept and sent back, where they belong", () =>
  withServer(cookieServer, function* (session) {
    const cookies = function* (path: string): Coroutine<string> {
      return yield* (yield* session.get(path)).text();
    };
    expect(yield* cookies("/")).toBe("none");
    expect(yield* cookies("/set")).toBe("none");
    expect(yield* cookies("/")).toBe("a=1");
    expect(yield* cookies("/only")).toBe("b=2; a=1");
    expect(yield* cookies("/redirect")).toContain("d=4");
    const own = yield* session.get("/", { headers: { cookie: "x=9" } });
    expect(yield* own.text()).toBe("x=9; a=1; d=4");
    expect(session.defaultsFor("/").headers.get("cookie")).toBe("a=1; d=4");
  }),
);

eachOnUndici("a jar of one's own, or none", () =>
  use(httpServer(cookieServer), function* (server) {
    const cookies = new CookieJar();
    yield* use(new ClientSession({ baseUrl: server.url, cookies }), function* (session) {
      yield* session.get("/set");
    });
    expect(cookies.getCookieStringSync(server.url)).toBe("a=1");
    yield* use(new ClientSession({ baseUrl: server.url, cookies: false }), function* (session) {
      yield* session.get("/set");
      expect(yield* (yield* session.get("/")).text()).toBe("none");
    });
  }),
);

each("basic authentication: by option, or by URL", () =>
  withServer(redirecting, function* (session, server) {
    const auth = { scheme: "basic", username: "ä", password: "p:w" } as const;
    const seen = yield* (yield* session.get("/", { auth })).json<Seen>();
    expect(seen.headers["authorization"]).toBe(`Basic ${Buffer.from("ä:p:w").toString("base64")}`);
    const inUrl = yield* session.get(server.url.replace("//", "//me:p%40ss@"));
    expect(inUrl.url).not.toContain("me");
    expect((yield* inUrl.json<Seen>()).headers["authorization"]).toBe(`Basic ${btoa("me:p@ss")}`);
  }),
);

for (const [algorithm, name] of [
  ["MD5", "md5"],
  ["SHA-256", "sha256"],
  ["SHA-256-sess", "sha256"],
] as const) {
  each(`digest authentication, ${algorithm}`, () => {
    const hash = (text: string): string => createHash(name).update(text).digest("hex");
    let challenges = 0;
    return withServer(
      (request, response) => {
        const answer = request.headers.authorization ?? "";
        const field = (key: string): string => new RegExp(`\\b${key}="?([^",]*)`).exec(answer)?.[1] ?? "";
        let secret = hash("me:the realm:pass");
        if (algorithm.endsWith("sess")) secret = hash(`${secret}:N1:${field("cnonce")}`);
        const what = hash(`${request.method ?? ""}:${request.url ?? ""}`);
        const expected = hash(`${secret}:N1:${field("nc")}:${field("cnonce")}:auth:${what}`);
        if (field("response") === expected && field("uri") === request.url && field("opaque") === "O") {
          response.end(field("nc"));
          return;
        }
        challenges++;
        response.writeHead(401, {
          "www-authenticate": `Basic realm="x", Digest realm="the realm", nonce="N1", opaque="O", qop="auth, auth-int", algorithm=${algorithm}`,
        });
        response.end();
      },
      function* (session) {
        const auth = { scheme: "digest", username: "me", password: "pass" } as const;
        const first = yield* session.get("/a?b=c", { auth });
        expect([first.status, yield* first.text()]).toEqual([200, "00000001"]);
        const second = yield* session.post("/d", { auth, body: "x" });
        expect([second.status, yield* second.text()]).toEqual([200, "00000002"]);
        expect(challenges).toBe(1);
        expect((yield* session.get("/", { auth: { ...auth, password: "wrong" } })).status).toBe(401);
      },
    );
  });
}
