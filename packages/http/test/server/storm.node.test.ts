/** Ten thousand requests that are cancelled, reset, late and refused at random: nothing is left behind. */
import { connect, type Socket } from "node:net";
import {
  BrokenResourceError,
  type Coroutine,
  failAfter,
  fromPromise,
  isCancelled,
  run,
  shield,
  sleep,
  taskGroup,
} from "@anyloop/core";
import { Application, HttpError, serve, ServerResponse, type Serving } from "@anyloop/http/server";
import { kernel } from "@anyloop/kernel";
import { native } from "@anyloop/native";
import { expect, test } from "vitest";

const requests = 10_000;
const lanes = 40;

/** A generator of numbers that a seed repeats (mulberry32). */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

interface Counts {
  entered: number;
  left: number;
  answered: number;
}

function application(random: () => number, counts: Counts): Application {
  function* handle(work: () => Coroutine<ServerResponse>): Coroutine<ServerResponse> {
    counts.entered++;
    try {
      return yield* work();
    } finally {
      if (random() < 0.1) yield* shield(sleep(random() * 3));
      counts.left++;
    }
  }
  return new Application()
    .get("/quick", () =>
      handle(function* () {
        return ServerResponse.text("quick");
      }),
    )
    .get(
      "/slow",
      () =>
        handle(function* () {
          yield* sleep(random() * 5);
          return ServerResponse.text("slow");
        }),
      { cancelOnDisconnect: true },
    )
    .get("/late", () =>
      handle(function* () {
        try {
          yield* failAfter(random() * 2, sleep(random() * 4));
        } catch (error) {
          if (isCancelled(error)) throw error;
          throw new HttpError(504);
        }
        return ServerResponse.text("in time");
      }),
    )
    .get("/fails", () =>
      handle(function* () {
        throw new Error("as ordered");
      }),
    )
    .get("/stream", () =>
      handle(function* () {
        return ServerResponse.stream(function* (write) {
          for (let index = 0; index < 5; index++) {
            yield* write("x".repeat(20_000));
            yield* sleep(random());
          }
        });
      }),
    )
    .post("/body", (request) =>
      handle(function* () {
        return ServerResponse.text(String((yield* request.bytes()).length));
      }),
    );
}

/** Sends one request on a connection of its own or one that is kept, and may break it off anywhere. */
function one(port: number, kept: Socket | undefined, random: () => number): Promise<Socket | undefined> {
  const paths = ["/quick", "/slow", "/late", "/fails", "/stream"];
  const isPost = random() < 0.3;
  const length = Math.floor(random() * 30_000);
  const head = isPost
    ? `POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: ${String(length)}\r\n\r\n`
    : `GET ${paths[Math.floor(random() * paths.length)] ?? ""} HTTP/1.1\r\nHost: a\r\n\r\n`;
  const text = head + (isPost ? "b".repeat(length) : "");
  const fate = random();
  return new Promise((resolve) => {
    const socket = kept?.readyState === "open" ? kept : connect(port, "127.0.0.1");
    socket.removeAllListeners();
    socket.on("error", () => {});
    socket.on("close", () => resolve(undefined));
    let all = "";
    socket.on("data", (piece: Buffer) => {
      all += piece.toString("latin1");
      if (!isWhole(all)) return;
      socket.removeAllListeners("close");
      resolve(socket);
    });
    if (fate < 0.1) {
      socket.write(text.slice(0, Math.floor(random() * text.length)), () => socket.destroy());
      return;
    }
    socket.write(text);
    if (fate < 0.2) setTimeout(() => socket.resetAndDestroy(), random() * 4);
    else if (fate < 0.3) setTimeout(() => socket.destroy(), random() * 4);
  });
}

function isWhole(answer: string): boolean {
  const end = answer.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const length = /content-length: (\d+)/i.exec(answer)?.[1];
  return length === undefined ? answer.endsWith("0\r\n\r\n") : answer.length >= end + 4 + Number(length);
}

function* lane(serving: Serving, count: number, random: () => number, counts: Counts): Coroutine<void> {
  let kept: Socket | undefined;
  for (let index = 0; index < count; index++) {
    kept = yield* fromPromise(one(serving.address?.port ?? 0, kept, random));
    if (kept !== undefined) counts.answered++;
  }
  kept?.destroy();
}

for (const [name, make] of [
  ["native", native],
  ["kernel", kernel],
] as const) {
  test(`${String(requests)} requests with random cancels, resets and timeouts leave nothing behind [${name}]`, async () => {
    const seed = Number(process.env["ANYLOOP_SEED"] ?? Math.floor(Math.random() * 1_000_000));
    const random = randomOf(seed);
    const counts: Counts = { entered: 0, left: 0, answered: 0 };
    const logged = new Map<number, number>();
    const reported: unknown[] = [];
    await run(
      () =>
        taskGroup(function* (group): Coroutine<void> {
          const { task, value: serving } = yield* group.startTask<Serving>((status) =>
            serve(
              application(random, counts),
              {
                host: "127.0.0.1",
                accessLog: ({ status }) => logged.set(status, (logged.get(status) ?? 0) + 1),
                onError: (error) => reported.push(error),
              },
              status,
            ),
          );
          yield* taskGroup((lanes_) => {
            for (let index = 0; index < lanes; index++) {
              lanes_.startSoon(() => lane(serving, requests / lanes, random, counts));
            }
          });
          serving.stop();
          yield* task.wait();
          const { connections, active, requests: begun } = serving.statistics();
          expect({ connections, active }, `seed ${String(seed)}`).toEqual({ connections: 0, active: 0 });
          expect([...logged.values()].reduce((sum, count) => sum + count, 0)).toBe(begun);
        }),
      { backend: make() },
    );
    expect(counts.left).toBe(counts.entered);
    expect(counts.answered).toBeGreaterThan(requests / 2);
    expect(logged.get(200)).toBeGreaterThan(requests / 3);
    expect(logged.get(499)).toBeGreaterThan(0);
    expect(logged.get(504)).toBeGreaterThan(0);
    // Nothing but what was ordered: a client that has gone is no error.
    expect(reported.filter((error) => !(error instanceof Error && error.message === "as ordered"))).toEqual(
      [],
    );
    expect(reported.some((error) => error instanceof BrokenResourceError)).toBe(false);
    // The runtime closes what was destroyed a turn later.
    const sockets = (): string[] => process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP"));
    await expect.poll(sockets).toEqual([]);
  }, 60_000);
}
