/** A server for the length of a body, and clients that are not ours to talk to it. */
import { spawn } from "node:child_process";
import {
  request as nodeRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestOptions,
} from "node:http";
import { connect, type Socket } from "node:net";
import { buffer, text } from "node:stream/consumers";
import { type Coroutine, fromPromise, type Operation, taskGroup } from "@anyloop/core";
import type { Application } from "@anyloop/http/server";
import { serve, type ServeOptions, type Serving } from "@anyloop/http/server";
import { expect } from "vitest";

/** Serves while the body runs, then ends it in order, and looks whether anything is left. */
export function withServer<T>(
  app: Application,
  body: (serving: Serving) => Coroutine<T>,
  options: ServeOptions = {},
): Operation<T> {
  const reported: unknown[] = [];
  const onError = (error: unknown): unknown => reported.push(error);
  return taskGroup(function* (group) {
    const serving = yield* group.start<Serving>((status) =>
      serve(app, { host: "127.0.0.1", shutdownTime: 2_000, onError, ...options }, status),
    );
    let value: T;
    try {
      value = yield* body(serving);
    } finally {
      serving.stop();
    }
    for (const task of group.tasks) yield* task.wait();
    expect(reported).toEqual([]);
    expect(serving.statistics()).toMatchObject({ connections: 0, active: 0 });
    return value;
  });
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** One request by node's own client. */
export function ask(
  url: string,
  options: RequestOptions & { body?: string | Uint8Array } = {},
): Operation<Answered> {
  return fromPromise(async (signal) => {
    const { body, ...rest } = options;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const request = nodeRequest(url, { agent: false, ...rest, signal }, resolve);
      request.on("error", reject);
      request.end(body);
    });
    const bytes = await buffer(response);
    return { status: response.statusCode ?? 0, headers: response.headers, text: bytes.toString(), bytes };
  });
}

/** Sends exactly these bytes, and gives all that comes back until the server closes. */
export function talk(serving: Serving, ...pieces: readonly string[]): Operation<string> {
  return fromPromise(async (signal) => {
    const socket = dial(serving);
    signal.addEventListener("abort", () => socket.destroy());
    for (const piece of pieces) socket.write(piece, "latin1");
    return await untilClosed(socket);
  });
}

export function dial({ address }: Serving): Socket {
  const socket = connect(address?.port ?? 0, "127.0.0.1");
  socket.on("error", () => {});
  return socket;
}

/** All that comes, also if the connection is reset at its end. */
export function untilClosed(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let all = "";
    socket.setEncoding("latin1");
    socket.on("data", (piece: string) => (all += piece));
    socket.on("close", () => resolve(all));
  });
}

/** Waits until what has come matches. */
export function comes(socket: Socket, pattern: RegExp): Operation<string> {
  return fromPromise(
    () =>
      new Promise<string>((resolve, reject) => {
        let all = "";
        const onData = (piece: Buffer): void => {
          all += piece.toString("latin1");
          if (!pattern.test(all)) return;
          socket.off("data", onData).off("close", onClose);
          resolve(all);
        };
        const onClose = (): void => reject(new Error(`closed before ${String(pattern)} came: ${all}`));
        socket.on("data", onData).on("close", onClose);
      }),
  );
}

export function curl(...args: readonly string[]): Operation<string> {
  return fromPromise(async () => {
    const child = spawn("curl", ["-s", "--max-time", "10", ...args]);
    return await text(child.stdout);
  });
}
