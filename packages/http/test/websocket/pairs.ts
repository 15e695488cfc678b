/** Two ends of a websocket, over real sockets and in memory. */
import { createServer, type IncomingMessage, type Server } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { type Duplex, duplexPair } from "node:stream";
import { type Coroutine, fromPromise, type Operation, operation, type TaskGroup } from "@anyloop/core";
import { suspendOnHost } from "@anyloop/core/lowlevel";
import {
  acceptWebSocket,
  type AcceptWebSocketOptions,
  connectWebSocket,
  type ConnectWebSocketOptions,
  type WebSocketStream,
} from "@anyloop/http";
import { waitAllTasksBlocked } from "@anyloop/testing";

type Upgrade = readonly [request: IncomingMessage, socket: Duplex, head: Buffer];

/** A `node:http` server whose upgrades are taken one by one. Closed with the group that it was made for. */
export class UpgradeServer {
  readonly server: Server = createServer();
  readonly sockets: Set<Duplex> = new Set();
  private readonly waiting: Upgrade[] = [];
  private wake: (() => void) | undefined = undefined;

  constructor() {
    this.server.on("connection", (socket: Socket) => {
      this.sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.sockets.delete(socket));
    });
    this.server.on("upgrade", (request, socket, head) => {
      this.waiting.push([request, socket, head]);
      this.wake?.();
    });
  }

  get url(): string {
    return `ws://127.0.0.1:${String(this.port)}/`;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  upgrade(): Operation<Upgrade> {
    return suspendOnHost((waiter) => {
      const take = (): boolean => {
        const upgrade = this.waiting.shift();
        if (upgrade === undefined) return false;
        this.wake = undefined;
        waiter.resume(upgrade);
        return true;
      };
      if (!take()) this.wake = take;
      return () => {
        this.wake = undefined;
        return true;
      };
    });
  }

  close(): Operation<void> {
    return fromPromise(
      () =>
        new Promise<void>((resolve) => {
          for (const socket of this.sockets) socket.destroy();
          this.server.close(() => resolve());
        }),
    );
  }
}

export const upgradeServer: () => Operation<UpgradeServer> = operation(
  function* upgradeServer(): Coroutine<UpgradeServer> {
    const server = new UpgradeServer();
    yield* fromPromise(new Promise<void>((resolve) => server.server.listen(0, "127.0.0.1", resolve)));
    return server;
  },
);

export interface Ends {
  readonly client: WebSocketStream;
  readonly server: WebSocketStream;
}

const accept = operation(function* accept(
  server: UpgradeServer,
  options: AcceptWebSocketOptions | undefined,
): Coroutine<WebSocketStream> {
  const [request, socket, head] = yield* server.upgrade();
  return yield* acceptWebSocket(request, socket, head, options);
});

export interface PairOptions {
  readonly client?: ConnectWebSocketOptions;
  readonly server?: AcceptWebSocketOptions;
}

/** Both ends over a socket of this machine. The group closes the listener. */
export const pairIn: (group: TaskGroup, options?: PairOptions) => Operation<Ends> = operation(
  function* pairIn(group: TaskGroup, options: PairOptions = {}): Coroutine<Ends> {
    const listening = yield* upgradeServer();
    const accepting = group.startSoon(accept(listening, options.server));
    const client = yield* connectWebSocket(listening.url, options.client);
    const server = yield* accepting.join();
    listening.server.close();
    return { client, server };
  },
);

/** Both ends over a pair of duplex streams, through a server that listens nowhere. */
export const memoryPairIn: (group: TaskGroup, options?: PairOptions) => Operation<Ends> = operation(
  function* memoryPairIn(group: TaskGroup, options: PairOptions = {}): Coroutine<Ends> {
    const [near, far] = duplexPair();
    const listening = new UpgradeServer();
    listening.server.emit("connection", far);
    const accepting = group.startSoon(accept(listening, options.server));
    const client = yield* connectWebSocket("ws://memory/", { ...options.client, socket: near });
    const server = yield* accepting.join();
    // A duplex stream counts the handshake as unwritten for some ticks more; closing at once would lose what is behind it.
    yield* waitAllTasksBlocked();
    return { client, server };
  },
);

/** A raw connection to a websocket end: frames as bytes. */
export class RawPeer {
  readonly socket: Socket;
  private bytes: Buffer = Buffer.alloc(0);
  private hasEnded = false;
  private readonly changed = new Set<() => void>();

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on("data", (chunk: Buffer) => {
      this.bytes = Buffer.concat([this.bytes, chunk]);
      this.tell();
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.hasEnded = true;
      this.tell();
    });
    socket.on("end", () => {
      this.hasEnded = true;
      this.tell();
    });
  }

  /** What has come, once `isEnough` says so or nothing more comes. */
  until(isEnough: (bytes: Buffer) => boolean): Operation<Buffer> {
    return suspendOnHost((waiter) => {
      const look = (): boolean => {
        if (!isEnough(this.bytes) && !this.hasEnded) return false;
        this.changed.delete(look);
        waiter.resume(this.bytes);
        return true;
      };
      if (!look()) this.changed.add(look);
      return () => this.changed.delete(look);
    });
  }

  /** Everything until the end of the connection. */
  all(): Operation<Buffer> {
    return this.until(() => false);
  }

  forget(): void {
    this.bytes = Buffer.alloc(0);
  }

  private tell(): void {
    for (const look of this.changed) look();
  }
}

/** What a client asks with, in lines. */
export const sampleHandshake: readonly string[] = [
  "GET / HTTP/1.1",
  "Host: test",
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

export interface RawClient {
  readonly raw: RawPeer;
  readonly server: WebSocketStream;
  /** What the server's end stands on. */
  readonly socket: Duplex;
  /** The answer to the handshake. */
  readonly answer: string;
}

/** A server's end, and a raw client of it that has shaken hands. */
export const rawClientIn: (
  options?: AcceptWebSocketOptions,
  headers?: readonly string[],
) => Operation<RawClient> = operation(function* rawClientIn(
  options?: AcceptWebSocketOptions,
  headers: readonly string[] = [],
): Coroutine<RawClient> {
  const listening = yield* upgradeServer();
  const raw = new RawPeer(connect(listening.port, "127.0.0.1"));
  raw.socket.write(`${[...sampleHandshake, ...headers].join("\r\n")}\r\n\r\n`);
  const [request, socket, head] = yield* listening.upgrade();
  const server = yield* acceptWebSocket(request, socket, head, options);
  const answer = yield* raw.until((bytes) => bytes.includes("\r\n\r\n"));
  raw.forget();
  listening.server.close();
  return { raw, server, socket, answer: answer.toString() };
});

/** A client's end, and a raw server of it that has shaken hands. */
export const rawServerIn: (
  group: TaskGroup,
  options?: ConnectWebSocketOptions,
) => Operation<{ raw: RawPeer; client: WebSocketStream }> = operation(function* rawServerIn(
  group: TaskGroup,
  options?: ConnectWebSocketOptions,
): Coroutine<{ raw: RawPeer; client: WebSocketStream }> {
  const listening = yield* upgradeServer();
  const connecting = group.startSoon(connectWebSocket(listening.url, options));
  const [request, socket] = yield* listening.upgrade();
  const key = String(request.headers["sec-websocket-key"]);
  const { createHash } = process.getBuiltinModule("node:crypto");
  const answer = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${answer}\r\n\r\n`,
  );
  const client = yield* connecting.join();
  listening.server.close();
  return { raw: new RawPeer(socket as Socket), client };
});

export interface FrameOptions {
  readonly fin?: boolean;
  readonly mask?: boolean;
  /** The three reserved bits. */
  readonly reserved?: number;
  /** What the header says, if it is to lie. */
  readonly length?: number;
}

/** One frame, as a client sends it if `mask` is not false. */
export function frame(opcode: number, payload: string | Uint8Array = "", options: FrameOptions = {}): Buffer {
  const { fin = true, mask = true, reserved = 0 } = options;
  const data = Buffer.from(payload as string);
  const length = options.length ?? data.length;
  const maskBit = mask ? 0x80 : 0;
  const head = [(fin ? 0x80 : 0) | (reserved << 4) | opcode];
  if (length < 126) head.push(maskBit | length);
  else if (length < 65_536) head.push(maskBit | 126, length >> 8, length & 255);
  else
    head.push(
      maskBit | 127,
      0,
      0,
      0,
      0,
      length >>> 24,
      (length >> 16) & 255,
      (length >> 8) & 255,
      length & 255,
    );
  if (!mask) return Buffer.concat([Buffer.from(head), data]);
  const key = [0x12, 0x34, 0x56, 0x78];
  return Buffer.concat([
    Buffer.from([...head, ...key]),
    data.map((byte, index) => byte ^ (key[index & 3] ?? 0)),
  ]);
}

export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** The payload of a closing frame. */
export function closing(code: number, reason = ""): Buffer {
  return Buffer.concat([Buffer.from([code >> 8, code & 255]), Buffer.from(reason)]);
}

/** More than all the buffers of the system take, for ends with the `roomy` options. */
export const large = "x".repeat(16_000_000);
export const roomy = { client: { maxMessageBytes: large.length }, server: { maxMessageBytes: large.length } };

/** Fills the peer's store and the buffers of the system: who sends after that waits until the peer receives. */
export const fill: (stream: WebSocketStream) => Operation<void> = operation(function* fill(
  stream: WebSocketStream,
): Coroutine<void> {
  for (let count = 0; count < 2; count++) yield* stream.send(large);
});
