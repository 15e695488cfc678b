/** The ways to a server: TLS, HTTP/2, Unix sockets, proxies, a look-up that is remembered. */
import dns from "node:dns";
import { createServer as createHttpServer } from "node:http";
import { syncBuiltinESMExports } from "node:module";
import { createSecureServer, type ServerHttp2Session, type ServerHttp2Stream } from "node:http2";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  CancelScope,
  type Coroutine,
  moveOnAfter,
  type Operation,
  sleep,
  taskGroup,
  use,
} from "@anyloop/core";
import { ClientSession, ConnectionFailed, RedirectError, type Trace } from "@anyloop/http/client";
import { expect, test, vi } from "vitest";
import { authority, certificate, expired, key } from "../../../../tools/test-support/certificates.ts";
import { caught, isDeno } from "../../../../tools/test-support/each-real.ts";
import { eachOnUndici } from "./each-undici.ts";
import { bodyOf, type Handler, httpServer, httpsServer, otherServer, type TestServer } from "./servers.ts";

const tls = { ca: authority };
const hello: Handler = (request, response) =>
  response.end(`hello ${request.httpVersion} ${request.headers.host ?? ""}`);

eachOnUndici("TLS: a certificate that is trusted, and those that are not", () =>
  use(httpsServer({ key, cert: certificate }, hello), function* (server) {
    yield* use(new ClientSession({ tls }), function* (session) {
      const url = server.url.replace("127.0.0.1", "localhost");
      expect(yield* (yield* session.get(url)).text()).toContain("hello 1.1 localhost");
    });
    yield* use(new ClientSession(), function* (session) {
      const error = yield* caught(session.get(server.url));
      expect(error).toBeInstanceOf(ConnectionFailed);
      expect(String(error)).toContain("certificate");
      expect(session.statistics()).toMatchObject({ connections: 0, active: 0 });
    });
    yield* use(httpsServer({ key, cert: expired }, hello), (old) =>
      use(new ClientSession({ tls }), function* (session) {
        const error = yield* caught(session.get(old.url));
        expect(error).toBeInstanceOf(ConnectionFailed);
        // Deno's own word for it is another.
        expect(["CERT_HAS_EXPIRED", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"]).toContain(
          (error as ConnectionFailed).code,
        );
      }),
    );
    yield* use(new ClientSession({ tls: { rejectUnauthorized: false } }), function* (session) {
      expect((yield* session.get(server.url)).status).toBe(200);
    });
  }),
);

eachOnUndici("no redirect leads from https to http, unless it is allowed", () =>
  use(httpServer(hello), (plain) =>
    use(
      httpsServer({ key, cert: certificate }, (_request, response) =>
        response.writeHead(302, { location: plain.url }).end(),
      ),
      function* (server) {
        yield* use(new ClientSession({ tls }), function* (session) {
          expect(yield* caught(session.get(server.url))).toBeInstanceOf(RedirectError);
        });
        expect(plain.accepted()).toBe(0);
        yield* use(new ClientSession({ tls, allowInsecureRedirects: true }), function* (session) {
          expect((yield* session.get(server.url)).url).toBe(`${plain.url}/`);
        });
      },
    ),
  ),
);

interface Streams {
  open: number;
  most: number;
  /** Requests of `/slow` that are open. Servers before Node 26 keep a stream whose answer was cut short, whatever the client says. */
  slow: number;
}

function http2Server(streams: Streams) {
  const server = createSecureServer({ key, cert: certificate, allowHTTP1: true }, (request, response) => {
    streams.most = Math.max(streams.most, ++streams.open);
    request.on("error", () => {});
    request.stream?.on("close", () => streams.open--);
    if (request.url === "/slow") {
      streams.slow++;
      request.stream?.on("close", () => streams.slow--);
      return;
    }
    if (request.url === "/big") response.end(Buffer.alloc(1_000_000, "x"));
    else if (request.method === "POST") void bodyOf(request as never).then((body) => response.end(body));
    else setTimeout(() => response.end(`version ${request.httpVersion}`), 5);
  });
  return otherServer(server, "https");
}

eachOnUndici("HTTP/2, where the server offers it: one connection for many requests", () => {
  const streams = { open: 0, most: 0, slow: 0 };
  const secured: string[] = [];
  const trace: Trace = { secured: (_request, _time, protocol) => void secured.push(protocol) };
  return use(http2Server(streams), (server) =>
    use(new ClientSession({ tls, baseUrl: server.url, trace }), function* (session) {
      const first = yield* session.get("/");
      expect(yield* first.text()).toBe("version 2.0");
      expect(first.headers.get("date")).toBeDefined();
      yield* taskGroup(function* (group) {
        for (let at = 0; at < 30; at++) {
          group.startSoon(function* () {
            expect(yield* (yield* session.get("/")).text()).toBe("version 2.0");
          });
        }
      });
      expect(streams.most).toBeGreaterThan(10);
      expect(server.accepted()).toBe(1);
      expect(secured).toEqual(["h2"]);
      expect((yield* (yield* session.get("/big")).bytes()).length).toBe(1_000_000);
      expect(yield* (yield* session.post("/", { body: "x".repeat(100_000) })).text()).toHaveLength(100_000);
      expect(session.statistics()).toMatchObject({ connections: 1, idle: 1, active: 0 });
    }),
  );
});

eachOnUndici("HTTP/2: a cancelled request ends its stream, and leaves the connection to the others", () => {
  const streams = { open: 0, most: 0, slow: 0 };
  return use(http2Server(streams), (server) =>
    use(new ClientSession({ tls, baseUrl: server.url }), function* (session) {
      yield* (yield* session.get("/")).text();
      yield* taskGroup(function* (group) {
        group.startSoon(function* () {
          expect(yield* moveOnAfter(20, session.get("/slow"))).toBeUndefined();
        });
        group.startSoon(function* () {
          const stream = (yield* session.get("/big")).stream();
          yield* stream.receive();
          yield* stream.close();
        });
        for (let at = 0; at < 5; at++) {
          yield* sleep(10);
          expect(yield* (yield* session.get("/")).text()).toBe("version 2.0");
        }
      });
      while (streams.slow > 0) yield* sleep(1);
      expect(server.accepted()).toBe(1);
      expect(session.statistics()).toMatchObject({ connections: 1, active: 0 });
    }),
  );
});

for (const place of ["first", "last"] as const) {
  eachOnUndici(
    `HTTP/2: cancelled while the connection is opened again, a request leaves the others alone (${place})`,
    () => {
      const sessions: ServerHttp2Session[] = [];
      const open: ServerHttp2Stream[] = [];
      const server = createSecureServer({ key, cert: certificate });
      server.on("session", (opened) => sessions.push(opened));
      server.on("stream", (stream) => {
        stream.on("error", () => {});
        // The first connection answers one request, and goes away with those that follow; the next one answers all.
        if (sessions.length === 1 && stream.id !== 1) open.push(stream);
        else stream.end("answered");
      });
      const scope = new CancelScope();
      let connects = 0;
      const trace: Trace = {
        connecting: () => {
          if (++connects > 1) queueMicrotask(() => scope.cancel());
        },
      };
      return use(otherServer(server, "https"), (far) =>
        use(new ClientSession({ tls, baseUrl: far.url, trace }), function* (session) {
          yield* (yield* session.get("/")).text();
          yield* taskGroup(function* (group) {
            const cancelled = (): Operation<unknown> => scope.run(() => session.get("/cancelled"));
            if (place === "first") group.startSoon(cancelled);
            while (open.length < (place === "first" ? 1 : 0)) yield* sleep(1);
            const other = group.startSoon(function* () {
              return yield* (yield* session.get("/other")).text();
            });
            while (open.length < (place === "first" ? 2 : 1)) yield* sleep(1);
            if (place === "last") group.startSoon(cancelled);
            while (open.length < 2) yield* sleep(1);
            sessions[0]?.goaway();
            expect(yield* other.join()).toBe("answered");
          });
          expect(scope.cancelledCaught).toBe(true);
          expect(session.statistics()).toMatchObject({ active: 0, waiting: 0 });
        }),
      );
    },
  );
}

eachOnUndici("HTTP/2 can be declined", () => {
  const streams = { open: 0, most: 0, slow: 0 };
  return use(http2Server(streams), (server) =>
    use(new ClientSession({ tls, baseUrl: server.url, http2: false }), function* (session) {
      expect(yield* (yield* session.get("/")).text()).toBe("version 1.1");
    }),
  );
});

/** Its sockets look names up by themselves. */
const skipped: typeof eachOnUndici = (name) => test.skip(`${name} [Deno's sockets take no look-up]`);

let sockets = 0;

eachOnUndici("a Unix socket", () => {
  const socketPath = path.join(tmpdir(), `anyloop-http-${String(process.pid)}-${String(sockets++)}.sock`);
  return use(httpServer(hello, socketPath), () =>
    use(new ClientSession({ socketPath, baseUrl: "http://docker" }), function* (session) {
      expect(yield* (yield* session.get("/")).text()).toBe("hello 1.1 docker");
    }),
  );
});

/** A proxy that notes what it is asked: whole URLs, and tunnels. */
function* proxyServer(log: string[], status = 200): Coroutine<TestServer> {
  const server = createHttpServer((request, response) => {
    log.push(
      `${request.method ?? ""} ${request.url ?? ""} ${request.headers["proxy-authorization"] ?? ""}`.trim(),
    );
    response.end(`proxied for ${request.headers.host ?? ""}`);
  });
  server.on("connect", (request, socket: Socket) => {
    log.push(`CONNECT ${request.headers["proxy-authorization"] ?? ""}`.trim());
    socket.on("error", () => {});
    if (status !== 200) {
      socket.end(`HTTP/1.1 ${String(status)} No\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const [host, port] = (request.url ?? "").split(":");
    const far = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
      far.pipe(socket).pipe(far);
    });
    far.on("error", () => socket.destroy());
  });
  return yield* otherServer(server, "http");
}

eachOnUndici("a proxy: whole URLs for http, a tunnel for https, its own credentials", function* () {
  const log: string[] = [];
  const proxy = yield* proxyServer(log);
  const proof = `Basic ${btoa("me:pass")}`;
  yield* use(proxy, () =>
    use(httpsServer({ key, cert: certificate }, hello), (secure) =>
      use(new ClientSession({ tls, proxy: proxy.url.replace("//", "//me:pass@") }), function* (session) {
        expect(yield* (yield* session.get("http://example.com/a?b")).text()).toBe("proxied for example.com");
        expect(yield* (yield* session.get(secure.url)).text()).toContain("hello 1.1");
        expect(yield* (yield* session.get(secure.url)).text()).toContain("hello 1.1");
        expect(log).toEqual([`GET http://example.com/a?b ${proof}`, `CONNECT ${proof}`]);
        expect(secure.accepted()).toBe(1);
      }),
    ),
  );
});

eachOnUndici("a proxy that refuses, and one that is not there", function* () {
  const log: string[] = [];
  const proxy = yield* proxyServer(log, 403);
  yield* use(proxy, function* () {
    yield* use(new ClientSession({ proxy: proxy.url }), function* (session) {
      const error = yield* caught(session.get("https://example.com/"));
      expect(error).toBeInstanceOf(ConnectionFailed);
      expect(String(error)).toContain("403");
      expect(session.statistics()).toMatchObject({ connections: 0, active: 0 });
    });
    yield* use(new ClientSession({ proxy: "http://127.0.0.1:1" }), function* (session) {
      expect(yield* caught(session.get("https://example.com/"))).toBeInstanceOf(ConnectionFailed);
      expect(yield* caught(session.get("http://example.com/"))).toBeInstanceOf(ConnectionFailed);
    });
  });
});

eachOnUndici("the proxies of the environment", function* () {
  const log: string[] = [];
  const proxy = yield* proxyServer(log);
  const names = [
    "http_proxy",
    "https_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "no_proxy",
    "all_proxy",
    "REQUEST_METHOD",
  ];
  const went = function* (
    variables: Record<string, string>,
    url: string,
    options: { proxy?: false } = {},
  ): Coroutine<boolean> {
    log.length = 0;
    for (const name of names) vi.stubEnv(name, variables[name]);
    try {
      yield* use(new ClientSession(options), (session) => moveOnAfter(5_000, () => caught(session.get(url))));
    } catch {
      // There is nobody behind the proxy.
    } finally {
      vi.unstubAllEnvs();
    }
    return log.length > 0;
  };
  yield* use(proxy, function* ({ url, port }) {
    const direct = "http://127.0.0.1:1/";
    expect(yield* went({ http_proxy: url }, direct)).toBe(true);
    expect(yield* went({ HTTP_PROXY: `127.0.0.1:${String(port)}` }, direct)).toBe(true);
    expect(yield* went({ all_proxy: url }, "https://127.0.0.1:1/")).toBe(true);
    expect(yield* went({ https_proxy: url }, "https://127.0.0.1:1/")).toBe(true);
    expect(yield* went({ https_proxy: url }, direct)).toBe(false);
    expect(yield* went({ HTTP_PROXY: url, REQUEST_METHOD: "GET" }, direct)).toBe(false);
    expect(yield* went({ http_proxy: url }, direct, { proxy: false })).toBe(false);
    for (const no_proxy of ["*", "127.0.0.1", "x.y, 127.0.0.1:1", "x 127.0.0.1", ".0.0.1"]) {
      expect(yield* went({ http_proxy: url, no_proxy }, direct)).toBe(false);
    }
    for (const no_proxy of ["127.0.0.1:2", "27.0.0.1", ""]) {
      expect(yield* went({ http_proxy: url, no_proxy }, direct)).toBe(true);
    }
  });
});

(isDeno ? skipped : eachOnUndici)(
  "addresses are remembered for a while, failures are not, and overlapping look-ups are one",
  () => {
    let asked = 0;
    const { lookup } = dns;
    const counted = (...args: unknown[]): void => {
      // A server that listens looks its own address up.
      if (args[0] !== "127.0.0.1") asked++;
      Reflect.apply(lookup, dns, args);
    };
    // Taken over by the session when it sends its first request.
    dns.lookup = counted as typeof dns.lookup;
    syncBuiltinESMExports();
    return use(
      httpServer((_request, response) => response.setHeader("connection", "close").end("x")),
      (server) =>
        use(new ClientSession({ dnsCache: 500 }), function* (session) {
          const url = server.url.replace("127.0.0.1", "localhost");
          yield* taskGroup(function* (group) {
            for (let at = 0; at < 3; at++) group.startSoon(session.get(url));
          });
          dns.lookup = lookup;
          syncBuiltinESMExports();
          yield* session.get(url);
          expect(asked).toBe(1);
          yield* sleep(520);
          yield* session.get(url);
          expect(asked).toBe(2);
          for (let at = 0; at < 2; at++) yield* caught(session.get("http://nowhere.invalid/"));
          expect(asked).toBe(4);
        }),
    );
  },
);

(isDeno ? skipped : eachOnUndici)(
  "cancelled while a name is looked up, it leaves no timer behind",
  function* () {
    const { lookup } = dns;
    // Never answers.
    dns.lookup = (() => {}) as unknown as typeof dns.lookup;
    syncBuiltinESMExports();
    const set = vi.spyOn(globalThis, "setTimeout");
    const cleared = vi.spyOn(globalThis, "clearTimeout");
    try {
      yield* use(new ClientSession({ timeout: { connect: 54_321 } }), function* (session) {
        expect(yield* moveOnAfter(10, session.get("http://somewhere.invalid/"))).toBeUndefined();
      });
      const at = set.mock.calls.findIndex(([, milliseconds]) => milliseconds === 54_321);
      expect(cleared.mock.calls.flat()).toContain(set.mock.results[at]?.value);
    } finally {
      vi.restoreAllMocks();
      dns.lookup = lookup;
      syncBuiltinESMExports();
    }
  },
);
