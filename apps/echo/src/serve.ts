/**
 * The server: whatever comes goes back. curio's echo server as a program.
 *
 * Invariant: what it counts as live is open; a connection that breaks is one of the ordinary ends.
 */
import {
  BrokenResourceError,
  type ByteStream,
  type Coroutine,
  EndOfStream,
  type Listener,
  type Operation,
  operation,
  sleep,
  taskGroup,
  use,
} from "anyloop";
import { TlsListener, type TlsServerOptions } from "@anyloop/io";
import { type Endpoint, listenAt } from "./endpoint.ts";

export interface ServeOptions {
  readonly endpoint: Endpoint;
  /** Keys and certificates; undefined without TLS. */
  readonly security: TlsServerOptions | undefined;
  /** Called with a line for people: at the start, and when the number of connections has changed. */
  readonly tell: (line: string) => void;
}

/** Milliseconds between two looks at the number of connections. */
const tellingPause = 1_000;

class Connections {
  live = 0;
  total = 0;

  readonly echo: (stream: ByteStream) => Operation<void> = operation((stream: ByteStream): Coroutine<void> =>
    this.doEcho(stream),
  );

  private *doEcho(stream: ByteStream): Coroutine<void> {
    this.live++;
    this.total++;
    try {
      for (;;) yield* stream.send(yield* stream.receive());
    } catch (error) {
      if (!(error instanceof EndOfStream || error instanceof BrokenResourceError)) throw error;
    } finally {
      this.live--;
    }
  }
}

const tellConnections = operation(function* tellConnections(
  connections: Connections,
  tell: (line: string) => void,
): Coroutine<never> {
  for (let told = 0; ;) {
    yield* sleep(tellingPause);
    if (connections.live === told) continue;
    told = connections.live;
    tell(`${told} connected, ${connections.total} since the start`);
  }
});

const serveWith = operation(function* serve({ endpoint, security, tell }: ServeOptions): Coroutine<never> {
  const { listener, at } = yield* listenAt(endpoint);
  const connections = new Connections();
  return yield* use(listener, () =>
    taskGroup(function* (group): Coroutine<never> {
      const accepting: Listener<ByteStream> =
        security === undefined ? listener : new TlsListener(listener, security);
      tell(`Echoing on ${at}${security === undefined ? "" : " with TLS"}. Ctrl+C ends it.`);
      group.startSoon(tellConnections(connections, tell));
      return yield* accepting.serve(connections.echo);
    }),
  );
});

/** Serves until it is cancelled. */
export function serve(options: ServeOptions): Operation<never> {
  return serveWith(options);
}
