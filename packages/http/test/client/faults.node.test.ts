/** Ten thousand requests to a server that fails in every way, cancelled and timed out at random: nothing must be left. */
import { createServer, type Socket } from "node:net";
import {
  BrokenResourceError,
  type Coroutine,
  moveOnAfter,
  sleep,
  taskGroup,
  TimeoutError,
  use,
} from "@anyloop/core";
import { BodyTooLarge, ClientSession, InvalidResponse } from "@anyloop/http/client";
import { expect } from "vitest";
import { eachOnUndici } from "./each-undici.ts";
import { otherServer } from "./servers.ts";

const requests = 10_000;
const workers = 60;

/** Numbers that are the same for the same seed. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function answer(socket: Socket, random: () => number): void {
  const kind = Math.floor(random() * 12);
  if (kind === 0) socket.resetAndDestroy();
  else if (kind === 1) socket.destroy();
  else if (kind === 2) socket.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf");
  else if (kind === 3)
    socket.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", () => socket.resetAndDestroy());
  else if (kind === 4) return;
  else if (kind === 5) socket.write("no HTTP at all\r\n\r\n");
  else if (kind === 6) socket.end("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\ndone");
  else if (kind === 7)
    setTimeout(() => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate"), random() * 10);
  else if (kind === 8)
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 200000\r\n\r\n${"x".repeat(200_000)}`);
  else socket.write("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine");
}

const expected = [BrokenResourceError, InvalidResponse, TimeoutError, BodyTooLarge];

const seed = Number(process.env["ANYLOOP_SEED"] ?? Math.floor(Math.random() * 1_000_000));

eachOnUndici(
  `ten thousand requests, faults of every kind (seed ${String(seed)})`,
  () => {
    const random = generator(seed);
    const server = createServer((socket) => {
      socket.on("data", () => answer(socket, random));
    });
    const outcomes = new Map<string, number>();
    const note = (outcome: string): void => void outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);

    function* once(session: ClientSession): Coroutine<void> {
      const choice = random();
      const response = yield* session.get("/", {
        timeout: { firstByte: 5 + random() * 10, betweenChunks: 5 + random() * 10 },
        maxBodyBytes: choice < 0.1 ? 100 : undefined,
      });
      if (choice < 0.2) {
        yield* use(response, function* (opened) {
          yield* opened.stream().receive();
        });
      } else if (choice > 0.1) {
        expect(["fine", "done", "late", "x".repeat(200_000)]).toContain(yield* response.text());
      } else {
        yield* response.close();
      }
    }

    function* worker(session: ClientSession, next: () => boolean): Coroutine<void> {
      while (next()) {
        try {
          const limit = random() < 0.3 ? random() * 8 : Infinity;
          const outcome = yield* moveOnAfter(limit, function* () {
            yield* once(session);
            return "done";
          });
          note(outcome ?? "cancelled");
        } catch (error) {
          if (!expected.some((kind) => error instanceof kind)) throw error;
          note((error as Error).name);
        }
      }
    }

    return use(otherServer(server, "http"), (far) =>
      use(new ClientSession({ baseUrl: far.url, maxConnections: 20 }), function* (session) {
        let left = requests;
        yield* taskGroup((group) => {
          for (let at = 0; at < workers; at++) group.startSoon(() => worker(session, () => left-- > 0));
        });
        expect([...outcomes.values()].reduce((sum, count) => sum + count)).toBe(requests);
        for (const outcome of [
          "done",
          "cancelled",
          "BrokenResourceError",
          "InvalidResponse",
          "FirstByteTimeout",
          "ChunkTimeout",
        ]) {
          expect(outcomes.get(outcome), outcome).toBeGreaterThan(0);
        }
        while (session.statistics().closing > 0) yield* sleep(1);
        const { connections, idle, active, waiting } = session.statistics();
        expect([active, waiting, connections - idle]).toEqual([0, 0, 0]);
        while (far.open() > connections) yield* sleep(1);
        yield* session.close();
        expect(session.statistics()).toEqual({ connections: 0, idle: 0, active: 0, waiting: 0, closing: 0 });
        while (far.open() > 0) yield* sleep(1);
      }),
    );
  },
  60_000,
);
