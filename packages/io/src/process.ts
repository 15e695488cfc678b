/**
 * Processes of the system, with streams for what they read and write.
 *
 * Invariant: a process that was opened and is closed has ended and was reaped when `close` comes back, cancelled or not.
 * Nothing in here waits for one pipe while another is full.
 */
import { type ChildProcess, spawn } from "node:child_process";
import {
  type AsyncCloseable,
  type ByteReceiveStream,
  type ByteSendStream,
  type Coroutine,
  type Operation,
  operation,
  perform,
  shield,
  UsageError,
} from "@anyloop/core";
import { checkpointIfCancelled } from "@anyloop/core/lowlevel";
import { Change } from "./change.ts";
import { type PathLike, pathOf } from "./path-like.ts";
import { PipeReceiveStream, PipeSendStream } from "./pipe.ts";
import { asSystemError, systemCall } from "./system-call.ts";

/** A program with its arguments; a string is a line for the system's shell. */
export type Command = string | readonly [program: string, ...args: string[]];

/** What a standard stream of a process is: a pipe to us, our own one, or nothing. */
export type StandardStream = "pipe" | "inherit" | "ignore";

export interface ProcessOptions {
  /** The directory it runs in; ours if not given. */
  readonly cwd?: PathLike | undefined;
  /** Its whole environment; ours if not given. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  readonly stdin?: StandardStream | undefined;
  readonly stdout?: StandardStream | undefined;
  readonly stderr?: StandardStream | undefined;
  /** Milliseconds between the polite signal and the deadly one, when it is cancelled; 5 000 if not given. */
  readonly killDelay?: number | undefined;
}

/** How a process ended: one of the two is known. */
export interface ExitStatus {
  /** What it exited with. */
  readonly exitCode: number | undefined;
  /** The signal that ended it. */
  readonly signal: NodeJS.Signals | undefined;
}

type Piped<Choice, Stream> = Choice extends "inherit" | "ignore" ? undefined : Stream;
type ChoiceOf<Options, Key extends keyof ProcessOptions> = Options extends {
  readonly [K in Key]: infer Choice;
}
  ? Choice
  : "pipe";

const defaultKillDelay = 5_000;

/** The options of a process whose streams are all pipes. */
export interface AllPiped extends ProcessOptions {
  readonly stdin?: "pipe";
  readonly stdout?: "pipe";
  readonly stderr?: "pipe";
}

/** A process that runs, or has ended. Made by `openProcess`; close it, best with `use`. */
export class Process<O extends ProcessOptions = AllPiped> implements AsyncCloseable {
  /** Into its standard input; undefined if that is no pipe. */
  readonly stdin: Piped<ChoiceOf<O, "stdin">, ByteSendStream>;
  /** Out of its standard output; undefined if that is no pipe. */
  readonly stdout: Piped<ChoiceOf<O, "stdout">, ByteReceiveStream>;
  /** Out of its standard error; undefined if that is no pipe. */
  readonly stderr: Piped<ChoiceOf<O, "stderr">, ByteReceiveStream>;
  /** Node's own object, for what this one does not offer. */
  readonly raw: ChildProcess;
  private readonly title: string;
  private readonly killDelay: number;
  private readonly change = new Change();
  private status: ExitStatus | undefined = undefined;

  /** @internal */
  constructor(raw: ChildProcess, title: string, killDelay: number) {
    this.raw = raw;
    this.title = title;
    this.killDelay = killDelay;
    this.stdin = (raw.stdin === null ? undefined : new PipeSendStream(raw.stdin)) as never;
    this.stdout = (raw.stdout === null ? undefined : new PipeReceiveStream(raw.stdout)) as never;
    this.stderr = (raw.stderr === null ? undefined : new PipeReceiveStream(raw.stderr)) as never;
    // Whoever starts it hears of its error; without a listener of ours it would end this process as well.
    raw.on("error", () => {});
    // "close" would wait for whoever inherited the pipes as well.
    raw.once("exit", (exitCode, signal) => {
      this.status = { exitCode: exitCode ?? undefined, signal: signal ?? undefined };
      this.change.happened();
    });
  }

  get pid(): number {
    return this.raw.pid as number;
  }

  /** How it ended; undefined while it runs. */
  get exitStatus(): ExitStatus | undefined {
    return this.status;
  }

  /** Waits until it has ended. Cancelling stops the waiting alone. Read its output meanwhile, or it may wait for us. */
  wait(): Operation<ExitStatus> {
    return perform(this, this.doWait);
  }

  /** Asks it to end (SIGTERM). Once it has ended, nothing happens. @throws SystemError if that is not permitted. */
  terminate(): void {
    this.sendSignal("SIGTERM");
  }

  /** Ends it, without asking (SIGKILL). Once it has ended, nothing happens. @throws SystemError if that is not permitted. */
  kill(): void {
    this.sendSignal("SIGKILL");
  }

  /** Once it has ended, nothing happens. @throws SystemError if that is not permitted. */
  sendSignal(signal: NodeJS.Signals): void {
    if (this.status !== undefined) return;
    try {
      // Not `raw.kill`: Deno takes a process for ended as soon as that has sent a signal.
      process.kill(this.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") {
        throw asSystemError(error, `send ${signal} to ${this.title}`);
      }
    }
  }

  /**
   * Closes the pipes and waits for its end. Cancelled, it asks the process to end, gives it `killDelay` milliseconds, and
   * kills it with a warning; the cancellation is thrown once it has ended.
   */
  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private *doClose(): Coroutine<void> {
    // Not waited for: a process that does not read would never let it end.
    this.raw.stdin?.end();
    if (this.stdout !== undefined) yield* shield(this.stdout.close());
    if (this.stderr !== undefined) yield* shield(this.stderr.close());
    try {
      yield* this.wait();
    } catch (error) {
      yield* shield(perform(this, this.stop));
      throw error;
    } finally {
      this.raw.stdin?.destroy();
    }
  }

  private *doWait(): Coroutine<ExitStatus> {
    yield* checkpointIfCancelled();
    while (this.status === undefined) yield* this.change.next();
    return this.status;
  }

  private *stop(): Coroutine<void> {
    this.terminate();
    yield* this.waitAtMost(this.killDelay);
    if (this.status !== undefined) return;
    process.emitWarning(
      `${this.title} (process ${String(this.pid)}) did not end within ${String(this.killDelay)} ms of SIGTERM: it is killed.`,
      { type: "AnyloopWarning", code: "ANYLOOP_PROCESS_KILLED" },
    );
    this.kill();
    yield* this.wait();
  }

  /** In the host's time: the process knows no other, whatever clock the run has. */
  private *waitAtMost(milliseconds: number): Coroutine<void> {
    const limit = { isOver: false };
    const timer = setTimeout(() => {
      limit.isOver = true;
      this.change.happened();
    }, milliseconds);
    try {
      while (this.status === undefined && !limit.isOver) yield* this.change.next();
    } finally {
      clearTimeout(timer);
    }
  }
}

/** How a command is named in messages. */
export function titleOf(command: Command): string {
  return typeof command === "string" ? `\`${command}\`` : `\`${command.join(" ")}\``;
}

function checkKillDelay(killDelay: number): number {
  if (killDelay >= 0 && killDelay <= 2_147_483_647) return killDelay;
  throw new UsageError(`killDelay is ${String(killDelay)}. Give a number of milliseconds, 0 or more.`);
}

function startChild(command: Command, options: ProcessOptions): ChildProcess {
  const { cwd, env, stdin = "pipe", stdout = "pipe", stderr = "pipe" } = options;
  const [program, ...args] = typeof command === "string" ? [command] : command;
  return spawn(program, args, {
    cwd: cwd === undefined ? undefined : pathOf(cwd),
    env: env ?? process.env,
    shell: typeof command === "string",
    stdio: [stdin, stdout, stderr],
    windowsHide: true,
  });
}

function hasStarted(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("spawn", resolve).once("error", reject);
  });
}

const open = operation(function* openProcess(command: Command, options: ProcessOptions): Coroutine<Process> {
  const killDelay = checkKillDelay(options.killDelay ?? defaultKillDelay);
  const title = titleOf(command);
  const action = `start ${title}${options.cwd === undefined ? "" : ` in ${pathOf(options.cwd)}`}`;
  const program = typeof command === "string" ? undefined : command[0];
  let opened: Process | undefined;
  // Not taken back once begun: a process that was started must come into somebody's hands.
  yield* systemCall(action, program, async () => {
    const child = startChild(command, options);
    opened = new Process(child, title, killDelay);
    await hasStarted(child);
  });
  return opened as unknown as Process;
});

/**
 * Starts a program. Its standard streams are pipes unless `options` say otherwise.
 *
 * ```ts
 * import { openProcess } from "@anyloop/io";
 *
 * await run(use(openProcess(["cat"]), function* (cat) {
 *   yield* cat.stdin.send(new TextEncoder().encode("hello\n"));
 *   yield* cat.stdin.close();
 *   yield* forEach(linesOf(cat.stdout), function* (line) {
 *     console.log(line); // hello
 *   });
 * }));
 * ```
 *
 * @throws SystemError if it cannot be started; UsageError for options that cannot be.
 */
export function openProcess<const O extends ProcessOptions = AllPiped>(
  command: Command,
  options?: O,
): Operation<Process<O>> {
  return open(command, options ?? {}) as Operation<Process<O>>;
}
