/** What comes back: bodies in every form, and what is no answer. */
import {
  BrokenResourceError,
  ClosedResourceError,
  EndOfStream,
  forEach,
  sleep,
  use,
  UsageError,
} from "@anyloop/core";
import { BodyTooLarge, ClientSession, InvalidResponse, StatusError } from "@anyloop/http/client";
import { expect } from "vitest";
import { caught, each } from "../../../../tools/test-support/each-real.ts";
import { eachOnUndici } from "./each-undici.ts";
import { echo } from "./handlers.ts";
import { rawServer, withServer } from "./servers.ts";

each("a body comes as a stream of bytes, or of lines", () =>
  withServer(
    (_request, response) => {
      response.write("first\nsec");
      setTimeout(() => response.end("ond\r\nthird"), 10);
    },
    function* (session) {
      const lines: string[] = [];
      yield* forEach((yield* session.get("/")).lines(), (line) => void lines.push(line));
      expect(lines).toEqual(["first", "second", "third"]);
      const stream = (yield* session.get("/")).stream();
      expect((yield* stream.receive()).length).toBeGreaterThan(0);
      let rest = "";
      for (;;) {
        const piece = yield* stream.next();
        if (piece.done === true) break;
        rest += new TextDecoder().decode(piece.value);
      }
      expect(rest.endsWith("third")).toBe(true);
      expect(yield* caught(stream.receive())).toBeInstanceOf(EndOfStream);
    },
  ),
);

each("a stream that nobody reads holds the server up", () => {
  let written = 0;
  return withServer(
    (_request, response) => {
      const piece = Buffer.alloc(65_536);
      const more = (): void => {
        while (written < 1_000) {
          written++;
          if (!response.write(piece)) {
            response.once("drain", more);
            return;
          }
        }
        response.end();
      };
      more();
    },
    function* (session) {
      const stream = (yield* session.get("/")).stream();
      let bytes = (yield* stream.receive()).length;
      yield* sleep(100);
      expect(written).toBeLessThan(500);
      for (;;) {
        const piece = yield* stream.next();
        if (piece.done === true) break;
        bytes += piece.value.length;
      }
      expect(bytes).toBe(1_000 * 65_536);
    },
  );
});

each("a body is read once", () =>
  withServer(echo, function* (session) {
    const response = yield* session.get("/");
    yield* response.bytes();
    expect(yield* caught(response.text())).toBeInstanceOf(UsageError);
    expect(() => response.stream()).toThrow(UsageError);
  }),
);

each("what is no JSON is an error that says where it came from", () =>
  withServer(
    (_request, response) => response.end("<html>"),
    function* (session) {
      const error = yield* caught((yield* session.get("/page")).json());
      expect(error).toBeInstanceOf(InvalidResponse);
      expect(String(error)).toContain("/page");
    },
  ),
);

each("text is read in the character set that the answer names", () =>
  withServer(
    (_request, response) => {
      response.setHeader("content-type", "text/plain; charset=iso-8859-1");
      response.end(Buffer.from([0xe4, 0xf6]));
    },
    function* (session) {
      expect(yield* (yield* session.get("/")).text()).toBe("äö");
    },
  ),
);

each("a status of 400 or more is an answer, until it is asked to throw", () =>
  withServer(
    (_request, response) => {
      response.statusCode = 404;
      response.end("not here");
    },
    function* (session) {
      const response = yield* session.get("/x");
      expect(response.ok).toBe(false);
      let error: unknown;
      try {
        response.throwForStatus();
      } catch (thrown) {
        error = thrown;
      }
      expect(error).toBeInstanceOf(StatusError);
      expect((error as StatusError).status).toBe(404);
      expect(yield* (error as StatusError).response.text()).toBe("not here");
    },
  ),
);

eachOnUndici("what had come before the connection broke is given before the error", () => {
  let breakOff = (): void => {};
  const broken: unknown[] = [];
  return withServer(
    (_request, response) => {
      response.write("first");
      breakOff = () => {
        response.write("last", () => response.destroy());
      };
    },
    function* (session) {
      const stream = (yield* session.get("/")).stream();
      expect((yield* stream.receive()).length).toBe(5);
      breakOff();
      while (broken.length === 0) yield* sleep(1);
      expect((yield* stream.receive()).length).toBe(4);
      expect(yield* caught(stream.receive())).toBeInstanceOf(BrokenResourceError);
      expect(session.statistics()).toMatchObject({ connections: 0, active: 0 });
    },
    { trace: { failed: (request) => void broken.push(request) } },
  );
});

each("after a stream was closed nothing is given, not even what has come", () =>
  withServer(
    (_request, response) => response.end("all of it"),
    function* (session) {
      for (const close of ["stream", "response"] as const) {
        const response = yield* session.get("/");
        const stream = response.stream();
        yield* close === "stream" ? stream.close() : response.close();
        expect(yield* caught(stream.receive())).toBeInstanceOf(ClosedResourceError);
      }
    },
  ),
);

each("an error that is passed on holds no connection, and its body can still be read", () =>
  withServer(
    (request, response) => {
      response.statusCode = 500;
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(10_000)));
        response.once("drain", more);
      };
      if (request.url === "/endless") more();
      else response.end("x".repeat(1_000_000));
    },
    function* (session, server) {
      const errors: unknown[] = [];
      for (const path of ["/", "/", "/endless", "/"]) {
        const response = yield* session.get(path);
        try {
          yield* response.throwForStatus().text();
        } catch (error) {
          errors.push(error);
        }
      }
      for (const error of errors) expect(error).toBeInstanceOf(StatusError);
      const [first, , endless] = errors as StatusError[];
      expect(yield* (first as StatusError).response.text()).toHaveLength(1_000_000);
      expect(yield* caught((endless as StatusError).response.text())).toBeInstanceOf(BodyTooLarge);
      while (session.statistics().active > 0) yield* sleep(1);
      while (server.open() > 1) yield* sleep(1);
    },
    { maxConnections: 1, maxBodyBytes: 2_000_000, timeout: { pool: 8_000 } },
  ),
);

each("more than maxBodyBytes is refused, and its connection closed", () =>
  withServer(
    (request, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(10_000)));
        response.once("drain", more);
      };
      if (request.url === "/endless") more();
      else response.end(Buffer.alloc(2_001));
    },
    function* (session, server) {
      expect(yield* caught((yield* session.get("/")).bytes())).toBeInstanceOf(BodyTooLarge);
      expect(yield* caught((yield* session.get("/endless")).text())).toBeInstanceOf(BodyTooLarge);
      const stream = (yield* session.get("/endless", { maxBodyBytes: 100_000 })).stream();
      const error = yield* caught(forEach(stream, () => {}));
      expect(error).toBeInstanceOf(BodyTooLarge);
      expect((yield* (yield* session.get("/", { maxBodyBytes: 2_001 })).bytes()).length).toBe(2_001);
      while (server.open() > 1) yield* sleep(1);
      expect(session.statistics().active).toBe(0);
    },
    { maxBodyBytes: 2_000 },
  ),
);

eachOnUndici("a connection that breaks says when", () =>
  use(
    rawServer((socket) => {
      socket.once("data", (data) => {
        if (String(data).startsWith("GET /half"))
          socket.write("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
        setTimeout(() => socket.destroy(), 5);
      });
    }),
    (server) =>
      use(new ClientSession({ baseUrl: server.url }), function* (session) {
        const early = yield* caught(session.get("/"));
        expect(early).toBeInstanceOf(BrokenResourceError);
        expect(String(early)).toContain("before it was answered");
        const late = yield* caught((yield* session.get("/half")).text());
        expect(late).toBeInstanceOf(BrokenResourceError);
        expect(String(late)).toContain("in the middle");
        expect(session.statistics()).toMatchObject({ connections: 0, active: 0 });
      }),
  ),
);

eachOnUndici("what is no HTTP, and too many header bytes, are refused", () =>
  use(
    rawServer((socket) => {
      socket.once("data", (data) => {
        if (String(data).startsWith("GET /ssh")) socket.write("SSH-2.0-OpenSSH\r\n");
        else if (String(data).startsWith("GET /smuggle"))
          socket.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!");
        else
          for (let at = 0; at < 2_000; at++)
            socket.write(`${at === 0 ? "HTTP/1.1 200 OK\r\n" : ""}x-${String(at)}: ${"y".repeat(50)}\r\n`);
      });
    }),
    (server) =>
      use(new ClientSession({ baseUrl: server.url }), function* (session) {
        for (const path of ["/ssh", "/bomb", "/smuggle"]) {
          expect(yield* caught(session.get(path))).toBeInstanceOf(InvalidResponse);
        }
        expect(session.statistics()).toMatchObject({ connections: 0, active: 0 });
      }),
  ),
);
