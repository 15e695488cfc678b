/** An application over a network in memory: no port, and a clock that jumps. */
import {
  all,
  CancelScope,
  type Coroutine,
  EndOfStream,
  moveOnAfter,
  now,
  shield,
  sleep,
  sleepForever,
  taskGroup,
} from "@anyloop/core";
import {
  Application,
  serve,
  type ServeOptions,
  ServerResponse,
  type Serving,
  TestClient,
} from "@anyloop/http/server";
import { everyBackend, MemoryNetwork } from "@anyloop/testing";
import { expect, test } from "vitest";
import { caught, isBun, isDeno } from "../../../../tools/test-support/each-real.ts";

function each(name: string, body: () => Coroutine<unknown>): void {
  if (isBun || isDeno) {
    test.skip(`${name} [node:http of this runtime serves its own sockets only]`);
    return;
  }
  for (const { name: title, perform } of everyBackend(name, body, { seeds: 5 })) test(title, perform);
}

interface Place {
  readonly client: TestClient;
  readonly network: MemoryNetwork;
  readonly serving: Serving;
}

function withMemory(app: Application, body: (place: Place) => Coroutine<void>, options: ServeOptions = {}) {
  return taskGroup(function* (group): Coroutine<void> {
    const network = new MemoryNetwork();
    const listener = yield* network.host("server").listen(80);
    const client = network.host("client");
    const { task, value: serving } = yield* group.startTask<Serving>((status) =>
      serve(app, { listener, ...options }, status),
    );
    yield* body({ client: new TestClient(() => client.connect("server", 80)), network, serving });
    serving.stop();
    yield* task.wait();
    expect(serving.statistics()).toMatchObject({ connections: 0, active: 0 });
  });
}

each("requests and responses of all sizes", function* () {
  const app = new Application()
    .post("/echo", function* (request) {
      return ServerResponse.json(yield* request.json());
    })
    .get("/large", () =>
      ServerResponse.stream(function* (write) {
        for (let index = 0; index < 20; index++) yield* write("x".repeat(50_000));
      }),
    );
  yield* withMemory(app, function* ({ client }) {
    const answers = yield* all([1, 2, 3].map((a) => client.post("/echo", { body: { a } })));
    expect(answers.map((answer) => answer.json())).toEqual([{ a: 1 }, { a: 2 }, { a: 3 }]);
    expect((yield* client.get("/large")).bytes.length).toBe(1_000_000);
    expect((yield* client.get("/none")).status).toBe(404);
  });
});

each("a read that was cancelled takes nothing with it", function* () {
  const data = "0123456789".repeat(40);
  const cancelled: number[] = [];
  const app = new Application().post("/", function* (request) {
    let text = "";
    for (let tries = 0; text.length < data.length; tries++) {
      const bytes = yield* moveOnAfter(tries % 4, request.body.receive(7));
      if (bytes === undefined) cancelled.push(tries);
      else text += new TextDecoder().decode(bytes);
    }
    expect(yield* caught(request.body.receive())).toBeInstanceOf(EndOfStream);
    const before = new CancelScope();
    before.cancel();
    expect(yield* before.run(request.body.receive())).toBeUndefined();
    yield* shield(sleep(0));
    return ServerResponse.text(text);
  });
  yield* withMemory(app, function* ({ network }) {
    const connection = yield* network.host("dripping").connect("server", 80);
    const encoder = new TextEncoder();
    const head = `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${String(data.length)}\r\n\r\n`;
    yield* connection.send(encoder.encode(head));
    for (let at = 0; at < data.length; at += 25) {
      yield* sleep(3);
      yield* connection.send(encoder.encode(data.slice(at, at + 25)));
    }
    let answer = "";
    while (!answer.endsWith(data)) answer += new TextDecoder().decode(yield* connection.receive());
    expect(cancelled.length).toBeGreaterThan(0);
  });
});

each("so has the reading of a whole body", function* () {
  const data = JSON.stringify("0123456789".repeat(40));
  let cancelled = 0;
  const app = new Application().post("/", function* (request) {
    for (;;) {
      const value = yield* moveOnAfter(10, request.json());
      if (value !== undefined) return ServerResponse.json(value);
      cancelled++;
    }
  });
  yield* withMemory(app, function* ({ network }) {
    const connection = yield* network.host("dripping").connect("server", 80);
    const encoder = new TextEncoder();
    const head = `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${String(data.length)}\r\n\r\n`;
    yield* connection.send(encoder.encode(head));
    for (let at = 0; at < data.length; at += 25) {
      yield* sleep(3);
      yield* connection.send(encoder.encode(data.slice(at, at + 25)));
    }
    let answer = "";
    while (!answer.endsWith(data)) answer += new TextDecoder().decode(yield* connection.receive());
    expect(cancelled).toBeGreaterThan(0);
  });
});

each("what is left of a piece comes before what came later", function* () {
  const app = new Application().post("/", function* (request) {
    const first = new TextDecoder().decode(yield* request.body.receive(3));
    yield* sleep(20);
    return ServerResponse.json([first, yield* request.text()]);
  });
  yield* withMemory(app, function* ({ network }) {
    const connection = yield* network.host("slow").connect("server", 80);
    const encoder = new TextEncoder();
    const head = "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\n";
    yield* connection.send(encoder.encode(`${head}hello`));
    yield* sleep(5);
    yield* connection.send(encoder.encode("world"));
    let answer = "";
    while (!answer.endsWith("]")) answer += new TextDecoder().decode(yield* connection.receive());
    expect(answer).toContain('["hel","loworld"]');
  });
});

each("two reads at once, and a read after closing, are told so", function* () {
  const app = new Application().post("/", function* (request) {
    const errors = yield* all([
      () => caught(request.body.receive()),
      function* () {
        yield* sleep(1);
        const error = yield* caught(request.body.receive());
        yield* request.body.close();
        return error;
      },
    ]);
    const closed = yield* caught(request.body.receive());
    return ServerResponse.json([...errors, closed].map((error) => (error as Error).name));
  });
  yield* withMemory(app, function* ({ network }) {
    const connection = yield* network.host("silent").connect("server", 80);
    const head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n";
    yield* connection.send(new TextEncoder().encode(head));
    const answer = new TextDecoder().decode(yield* connection.receive());
    expect(answer).toContain('["ClosedResourceError","BusyResourceError","ClosedResourceError"]');
  });
});

each("the end of a server is in order there too", function* () {
  const steps: string[] = [];
  const app = new Application().get("/:time", function* ({ params }) {
    try {
      yield* sleep(Number(params.time));
    } catch (error) {
      yield* shield(sleep(1));
      steps.push(`cancelled ${params.time}`);
      throw error;
    }
    return ServerResponse.text(params.time);
  });
  yield* withMemory(
    app,
    function* ({ client, serving }) {
      const [quick, slow] = yield* all([
        client.get("/20"),
        client.get("/60000"),
        function* () {
          yield* sleep(10);
          serving.stop();
        },
      ]);
      expect(quick.text).toBe("20");
      expect(slow.status).toBe(503);
    },
    { shutdownTime: 40 },
  );
  expect(steps).toEqual(["cancelled 60000"]);
});

each("there may be no more connections there either", function* () {
  const app = new Application().get("/", function* () {
    yield* sleep(10);
    return ServerResponse.empty();
  });
  yield* withMemory(
    app,
    function* ({ client, serving }) {
      yield* taskGroup(function* (group): Coroutine<void> {
        const first = group.startSoon(client.get("/"));
        while (serving.statistics().active === 0) yield* sleep(1);
        expect(yield* caught(client.get("/"))).toBeInstanceOf(Error);
        expect((yield* first.join()).status).toBe(204);
      });
    },
    { limits: { connections: 1 } },
  );
});

each("a connection that breaks ends what reads from it", function* () {
  const errors: unknown[] = [];
  const app = new Application().post("/", function* (request) {
    errors.push(yield* caught(request.bytes()));
    return ServerResponse.empty();
  });
  yield* withMemory(app, function* ({ network }) {
    const connection = yield* network.host("other").connect("server", 80);
    yield* connection.send(
      new TextEncoder().encode("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc"),
    );
    const start = now();
    while (errors.length === 0 && now() - start < 1_000) {
      yield* sleep(5);
      connection.reset();
    }
    expect(errors).toMatchObject([{ name: "BrokenResourceError" }]);
  });
});

each("cancelling a client's call closes its connection, and the handler learns of it", function* () {
  const steps: string[] = [];
  const app = new Application().get(
    "/",
    function* () {
      try {
        yield* sleepForever();
      } finally {
        steps.push("cancelled");
      }
      return ServerResponse.empty();
    },
    { cancelOnDisconnect: true },
  );
  yield* withMemory(app, function* ({ client, serving }) {
    yield* taskGroup(function* (group): Coroutine<void> {
      group.startSoon(client.get("/"));
      while (serving.statistics().active === 0) yield* sleep(1);
      group.cancel();
    });
    while (serving.statistics().connections > 0) yield* sleep(1);
    expect(steps).toEqual(["cancelled"]);
  });
});
