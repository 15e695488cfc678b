/**
 * A server of one's own: started on a free port, with its data in a temporary directory; for tests, and to try things out.
 *
 * Invariant: once closed, its process has ended and its data is gone. It can be killed and started again in between, on
 * the same port and the same data.
 */
import { createServer } from "node:net";
import {
  AnyloopError,
  type AsyncCloseable,
  type Coroutine,
  failAfter,
  fromPromise,
  type Operation,
  operation,
  perform,
  shield,
  sleep,
  TimeoutError,
} from "@anyloop/core";
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";
import {
  connectTcp,
  ConnectError,
  openProcess,
  type Process,
  SystemError,
  tempDirectory,
  type TemporaryDirectory,
} from "@anyloop/io";

/** A program that serves a port. */
export interface ServerProgram {
  /** What is run, found in PATH. */
  readonly program: string;
  /** What a person installs to have it. */
  readonly toInstall: string;
  arguments(port: number, directory: string): readonly string[];
}

/** The server could not be started. */
export class LocalServerError extends AnyloopError {
  override readonly name = "LocalServerError";
  readonly code = "LOCAL_SERVER";
}

/** Milliseconds that a server may take until it accepts connections. */
const longestStart = 10_000;

type ServerProcess = Process<{ stdin: "ignore"; stdout: "ignore"; stderr: "ignore" }>;

const silent = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const;

const freePort = operation(function* freePort(): Coroutine<number> {
  return yield* fromPromise(
    new Promise<number>((resolve, reject) => {
      const probe = createServer().once("error", reject);
      probe.listen(0, "127.0.0.1", () => {
        const { port } = probe.address() as { port: number };
        probe.close(() => resolve(port));
      });
    }),
  );
});

export class LocalServer implements AsyncCloseable {
  readonly port: number;
  private readonly program: ServerProgram;
  private readonly directory: TemporaryDirectory;
  private process: ServerProcess | undefined = undefined;

  /** @internal */
  constructor(program: ServerProgram, port: number, directory: TemporaryDirectory) {
    this.program = program;
    this.port = port;
    this.directory = directory;
  }

  /** Starts it, and waits until it accepts connections. @throws LocalServerError. */
  start(): Operation<void> {
    return perform(this, this.doStart);
  }

  /** Ends it without asking (SIGKILL), as a crash would. Its data stays. */
  kill(): Operation<void> {
    return perform(this, this.doKill);
  }

  /** Ends it and removes its data. */
  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private *doStart(): Coroutine<void> {
    const { program, arguments: argumentsFor, toInstall } = this.program;
    try {
      this.process = yield* openProcess([program, ...argumentsFor(this.port, this.directory.path)], silent);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      throw new LocalServerError(`${program} cannot be started. Install it: ${toInstall}.`, { cause: error });
    }
    try {
      yield* failAfter(longestStart, perform(this, this.untilItAccepts));
    } catch (error) {
      yield* shield(this.kill());
      if (!(error instanceof TimeoutError)) throw error;
      throw new LocalServerError(`${program} did not accept connections within ${String(longestStart)} ms.`, {
        cause: error,
      });
    }
  }

  private *untilItAccepts(): Coroutine<void> {
    for (;;) {
      try {
        const stream = yield* connectTcp("127.0.0.1", this.port);
        yield* stream.close();
        return;
      } catch (error) {
        if (!(error instanceof ConnectError)) throw error;
      }
      const status = this.process?.exitStatus;
      if (status !== undefined) {
        throw new LocalServerError(
          `${this.program.program} ended with exit code ${String(status.exitCode)}.`,
        );
      }
      yield* sleep(10);
    }
  }

  private *doKill(): Coroutine<void> {
    const { process } = this;
    if (process === undefined) return;
    process.kill();
    yield* process.wait();
    this.process = undefined;
  }

  private *doClose(): Coroutine<void> {
    yield* shield(this.kill());
    yield* shield(this.directory.close());
    yield* checkpointIfCancelled();
  }
}

/**
 * Starts a server; best with `use`.
 *
 * @throws LocalServerError with what to install.
 */
export const openLocalServer: (program: ServerProgram) => Operation<LocalServer> = operation(
  function* openLocalServer(program: ServerProgram): Coroutine<LocalServer> {
    const directory = yield* tempDirectory({ prefix: `anyloop-${program.program}-` });
    const server = new LocalServer(program, yield* freePort(), directory);
    try {
      yield* server.start();
    } catch (error) {
      yield* shield(server.close());
      throw error;
    }
    return server;
  },
);
