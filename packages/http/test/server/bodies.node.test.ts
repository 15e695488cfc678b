/** Bodies in and out: whole, streamed, in parts, and as fast as the other side goes. */
import { Event, fromPromise, memoryStream, sleep } from "@anyloop/core";
import { Application, HttpError, ServerResponse } from "@anyloop/http/server";
import { request as undiciRequest } from "undici";
import { expect } from "vitest";
import { caught, each } from "../../../../tools/test-support/each-real.ts";
import { ask, curl, dial, untilClosed, withServer } from "./serving.ts";

each("a form, cookies, header fields that come twice, and the URL", function* () {
  const app = new Application().post("/form", function* (request) {
    const form = yield* request.form();
    return ServerResponse.json([form.get("a"), request.cookies, request.header("X-Two"), request.url]);
  });
  yield* withServer(app, function* (serving) {
    const { url } = serving;
    const answer = yield* curl(
      "-d",
      "a=1+2%26",
      "-b",
      "c=%C3%A9; d=e",
      "-H",
      "X-Two: 1",
      "-H",
      "X-Two: 2",
      `${url}/form?x`,
    );
    expect(JSON.parse(answer)).toEqual(["1 2&", { c: "é", d: "e" }, "1, 2", `${url}/form?x`]);
    expect((yield* ask(`${url}/form`, { method: "POST", body: "a=1" })).status).toBe(415);
  });
});

each("a body that is no JSON is a 400; one read twice is an error", function* () {
  const app = new Application()
    .post("/", function* (request) {
      return ServerResponse.json(yield* request.json());
    })
    .post("/twice", function* (request) {
      const first = yield* request.text();
      return ServerResponse.json([first, yield* request.text()]);
    });
  yield* withServer(app, function* ({ url }) {
    expect(yield* ask(url, { method: "POST", body: "{" })).toMatchObject({
      status: 400,
      text: /no valid JSON/ as never,
    });
    expect((yield* ask(`${url}/twice`, { method: "POST", body: "x" })).text).toBe('["x",""]');
  });
});

each("a large body comes piece by piece, and goes back as fast as the client takes it", function* () {
  const app = new Application().post("/", (request) => ServerResponse.stream(request.body), {
    bodySize: 50_000_000,
  });
  const data = new Uint8Array(8_000_000).map((_, index) => index % 251);
  yield* withServer(app, function* ({ url }) {
    const { body } = yield* fromPromise(undiciRequest(url, { method: "POST", body: data }));
    const back = new Uint8Array(yield* fromPromise(body.arrayBuffer()));
    expect(Buffer.compare(back, data)).toBe(0);
  });
});

each("a client waits for a handler that does not read yet", function* () {
  const size = 40_000_000;
  const read = new Event();
  const app = new Application().post(
    "/",
    function* (request) {
      yield* read.wait();
      return ServerResponse.text(String((yield* request.bytes()).length));
    },
    { bodySize: size },
  );
  yield* withServer(app, function* (serving) {
    const socket = dial(serving);
    socket.write(
      `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${String(size)}\r\n\r\n`,
    );
    let taken = 0;
    const piece = new Uint8Array(100_000);
    for (let index = 0; index < size / piece.length; index++) socket.write(piece, () => taken++);
    for (let before = -1; before < taken;) {
      before = taken;
      yield* sleep(100);
    }
    expect(taken * piece.length).toBeLessThan(size / 2);
    read.set();
    expect(yield* fromPromise(untilClosed(socket))).toMatch(/40000000$/);
  });
});

each("a stream waits for its client", function* () {
  let written = 0;
  const piece = new Uint8Array(65_536);
  const app = new Application().get("/", () =>
    ServerResponse.stream(function* (write) {
      for (let index = 0; index < 400; index++) {
        yield* write(piece);
        written += piece.length;
      }
    }),
  );
  yield* withServer(app, function* (serving) {
    const socket = dial(serving);
    socket.pause();
    socket.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    for (let before = -1; before < written;) {
      before = written;
      yield* sleep(100);
    }
    expect(written).toBeLessThan(200 * piece.length);
    const rest = untilClosed(socket);
    socket.resume();
    expect((yield* fromPromise(rest)).length).toBeGreaterThan(400 * piece.length);
    expect(written).toBe(400 * piece.length);
  });
});

each("streams of every kind are sent, and closed", function* () {
  const closed: string[] = [];
  const app = new Application()
    .get("/body", () =>
      ServerResponse.stream(async (write) => {
        await write("one ");
        await sleep(1);
        await write("two");
      }),
    )
    .get("/receiver", function* () {
      const [send, receive] = memoryStream<string>(2);
      yield* send.send("one ");
      yield* send.send("two");
      yield* send.close();
      const close = receive.close.bind(receive);
      receive.close = () => (closed.push("receiver"), close());
      return ServerResponse.stream(receive);
    })
    .get("/readable", () => {
      const pieces = ["one ", "two"].map((text) => new TextEncoder().encode(text));
      return ServerResponse.stream(
        new ReadableStream<Uint8Array>({
          pull(controller) {
            const piece = pieces.shift();
            if (piece === undefined) controller.close();
            else controller.enqueue(piece);
          },
        }),
      );
    });
  yield* withServer(app, function* ({ url }) {
    for (const kind of ["body", "receiver", "readable"]) {
      expect((yield* ask(`${url}/${kind}`)).text).toBe("one two");
      expect((yield* ask(`${url}/${kind}`, { method: "HEAD" })).text).toBe("");
    }
  });
  expect(closed).toEqual(["receiver", "receiver"]);
});

each(
  "a stream that fails in the midst cuts the connection, so that nobody takes a part for the whole",
  function* () {
    const broken = new Error("half way");
    const reported: unknown[] = [];
    const app = new Application().get("/", () =>
      ServerResponse.stream(function* (write) {
        yield* write("half");
        throw broken;
      }),
    );
    yield* withServer(
      app,
      function* ({ url }) {
        expect(yield* caught(ask(url))).toMatchObject({ code: "ECONNRESET" });
      },
      { onError: (error) => reported.push(error) },
    );
    expect(reported).toEqual([broken]);
  },
);

each("the parts of a form come one by one, files as streams", function* () {
  const app = new Application()
    .post(
      "/",
      function* (request) {
        const parts: unknown[] = [];
        yield* request.multipart(function* (part) {
          if (part.name === "skipped") return;
          const length = part.filename === undefined ? yield* part.text() : (yield* part.bytes()).length;
          parts.push([part.name, part.filename, part.type, length]);
        });
        return ServerResponse.json(parts);
      },
      { bodySize: 10_000_000 },
    )
    .post("/small", function* (request) {
      yield* request.multipart((part) => part.bytes(), { partSize: 10, parts: 2 });
      return ServerResponse.empty();
    })
    .post("/fails", function* (request) {
      yield* request.multipart(() => {
        throw new HttpError(409);
      });
      return ServerResponse.empty();
    });
  yield* withServer(app, function* ({ url }) {
    const form = new FormData();
    form.set("title", "grüße");
    form.set("file", new Blob(["x".repeat(3_000_000)], { type: "text/plain" }), "../a.txt");
    form.set("skipped", new Blob(["y".repeat(1_000_000)]), "b.bin");
    form.set("last", "1");
    const response = yield* fromPromise(fetch(url, { method: "POST", body: form }));
    expect(yield* fromPromise(response.json())).toEqual([
      ["title", null, "text/plain", "grüße"],
      ["file", "a.txt", "text/plain", 3_000_000],
      ["last", null, "text/plain", "1"],
    ]);
    const post = (path: string, ...options: string[]): ReturnType<typeof curl> =>
      curl("-o", "/dev/null", "-w", "%{http_code}", ...options, url + path);
    expect(yield* post("/small", "-F", "a=123456789", "-F", "b=2")).toBe("204");
    expect(yield* post("/small", "-F", "a=12345678901")).toBe("413");
    expect(yield* post("/small", "-F", "a=1", "-F", "b=2", "-F", "c=3")).toBe("413");
    expect(yield* post("/fails", "-F", "a=1", "-F", "b=2")).toBe("409");
    expect(yield* post("/small", "-d", "a=1")).toBe("415");
    const type = "Content-Type: multipart/form-data; boundary=x";
    expect(
      yield* post("/small", "-H", type, "-d", "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nhal"),
    ).toBe("400");
  });
});
