/**
 * The servers that are compared: the same protocol in every style, on `node:net` and on ours.
 *
 * Invariant: all do the same work for the same bytes, so a difference in CPU time is one of style.
 */
import { createServer, type Socket } from "node:net";
import { createInterface } from "node:readline";
import {
  type Backend,
  BufferedByteStream,
  type Coroutine,
  EndOfStream,
  kernel,
  native,
  type Operation,
  operation,
  run,
} from "anyloop";
import { listenTcp, type TcpStream } from "@anyloop/io";

const protocols = ["messages", "lines"] as const;
/** `messages`: whatever comes goes back. `lines`: each line goes back by a write of its own. */
export type Protocol = (typeof protocols)[number];

export const subjectNames = [
  "callbacks",
  "for await",
  "kernel",
  "native",
  "kernel, async style",
  "native, async style",
] as const;
export type SubjectName = (typeof subjectNames)[number];

/** Listens on a free port of 127.0.0.1, tells which, and serves until the process ends. */
type Subject = (protocol: Protocol, listening: (port: number) => void) => void;

function onSockets(handlers: Readonly<Record<Protocol, (socket: Socket) => void>>): Subject {
  return (protocol, listening) => {
    const server = createServer({ noDelay: true }, (socket) => {
      socket.on("error", () => {});
      handlers[protocol](socket);
    });
    server.listen(0, "127.0.0.1", () => listening((server.address() as { port: number }).port));
  };
}

function echoByCallbacks(socket: Socket): void {
  socket.on("data", (data) => socket.write(data));
}

function echoLinesByCallbacks(socket: Socket): void {
  let rest = "";
  socket.setEncoding("utf8");
  socket.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) socket.write(`${line}\n`);
  });
}

/** Backpressure, as such programs are written: wait until the write was taken. */
function written(socket: Socket, data: Uint8Array | string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.write(data, (error) => {
      if (error instanceof Error) reject(error);
      else resolve();
    });
  });
}

async function echoByForAwait(socket: Socket): Promise<void> {
  for await (const data of socket) await written(socket, data as Uint8Array);
}

async function echoLinesByForAwait(socket: Socket): Promise<void> {
  for await (const line of createInterface({ input: socket })) await written(socket, `${line}\n`);
}

type Handler = (stream: TcpStream) => Operation<void> | Promise<void>;

function onAnyloop(backend: Backend, handlers: Readonly<Record<Protocol, Handler>>): Subject {
  return (protocol, listening) => void run(serve(handlers[protocol], listening), { backend });
}

const serve = operation(function* serve(
  handler: Handler,
  listening: (port: number) => void,
): Coroutine<never> {
  const listener = yield* listenTcp(0, { host: "127.0.0.1" });
  listening(listener.addresses[0]?.port ?? 0);
  return yield* listener.serve(handler, { onError: () => {} });
});

const echo = operation(function* echo(stream: TcpStream): Coroutine<void> {
  try {
    for (;;) yield* stream.send(yield* stream.receive());
  } catch (error) {
    if (!(error instanceof EndOfStream)) throw error;
  }
});

const echoLines = operation(function* echoLines(stream: TcpStream): Coroutine<void> {
  const lines = new BufferedByteStream(stream);
  try {
    for (;;) yield* stream.send(Buffer.from(`${yield* lines.receiveLine()}\n`));
  } catch (error) {
    if (!(error instanceof EndOfStream)) throw error;
  }
});

async function echoAsync(stream: TcpStream): Promise<void> {
  try {
    for (;;) await stream.send(await stream.receive());
  } catch (error) {
    if (!(error instanceof EndOfStream)) throw error;
  }
}

async function echoLinesAsync(stream: TcpStream): Promise<void> {
  const lines = new BufferedByteStream(stream);
  try {
    for (;;) await stream.send(Buffer.from(`${await lines.receiveLine()}\n`));
  } catch (error) {
    if (!(error instanceof EndOfStream)) throw error;
  }
}

export const subjects: Readonly<Record<SubjectName, Subject>> = {
  callbacks: onSockets({ messages: echoByCallbacks, lines: echoLinesByCallbacks }),
  "for await": onSockets({
    messages: (socket) => void echoByForAwait(socket).catch(() => socket.destroy()),
    lines: (socket) => void echoLinesByForAwait(socket).catch(() => socket.destroy()),
  }),
  kernel: onAnyloop(kernel(), { messages: echo, lines: echoLines }),
  native: onAnyloop(native(), { messages: echo, lines: echoLines }),
  "kernel, async style": onAnyloop(kernel(), { messages: echoAsync, lines: echoLinesAsync }),
  "native, async style": onAnyloop(native(), { messages: echoAsync, lines: echoLinesAsync }),
};
