/** A process from its start to its end, with what it wrote. Python's `subprocess.run`, as anyio has it. */
import {
  all,
  AnyloopError,
  BrokenResourceError,
  type ByteReceiveStream,
  type ByteSendStream,
  type Coroutine,
  EndOfStream,
  failAfter,
  type Operation,
  operation,
  UsageError,
} from "@anyloop/core";
import {
  type Command,
  type ExitStatus,
  openProcess,
  type ProcessOptions,
  type StandardStream,
  titleOf,
} from "./process.ts";
import { signalsHaveArrived } from "./signals.ts";

export interface RunProcessOptions {
  readonly cwd?: ProcessOptions["cwd"];
  readonly env?: ProcessOptions["env"];
  readonly killDelay?: ProcessOptions["killDelay"];
  /** What it reads on its standard input, text as UTF-8; nothing if not given. */
  readonly input?: string | Uint8Array | undefined;
  /** Without `input`: `"inherit"` lets it read what we would, as a program that asks questions does. */
  readonly stdin?: "inherit" | "ignore" | undefined;
  /** `"pipe"` (default) captures it. */
  readonly stdout?: StandardStream | undefined;
  /** `"pipe"` (default) captures it. */
  readonly stderr?: StandardStream | undefined;
  /** Whether an exit code other than 0 is an error; true if not given. */
  readonly check?: boolean | undefined;
  /** Milliseconds it may take; no limit if not given. */
  readonly timeout?: number | undefined;
}

const decoder = new TextDecoder();

/** A process that has ended, and what was captured of it. */
export class CompletedProcess implements ExitStatus {
  readonly command: Command;
  readonly exitCode: number | undefined;
  readonly signal: NodeJS.Signals | undefined;
  /** Empty if it was not captured. */
  readonly stdout: Uint8Array;
  /** Empty if it was not captured. */
  readonly stderr: Uint8Array;

  constructor(command: Command, status: ExitStatus, stdout: Uint8Array, stderr: Uint8Array) {
    this.command = command;
    this.exitCode = status.exitCode;
    this.signal = status.signal;
    this.stdout = stdout;
    this.stderr = stderr;
  }

  /** Its standard output as UTF-8 text. */
  text(): string {
    return decoder.decode(this.stdout);
  }
}

/** Most characters of a process' standard error that a message repeats. */
const longestQuote = 1_000;

/** A process ended with another exit code than 0, or by a signal. */
export class ProcessFailed extends AnyloopError {
  override readonly name = "ProcessFailed";
  readonly code = "PROCESS_FAILED";
  /** How it ended, and what was captured. */
  readonly process: CompletedProcess;

  constructor(process: CompletedProcess) {
    const { command, exitCode, signal } = process;
    const how = signal === undefined ? `with exit code ${String(exitCode)}` : `by ${signal}`;
    const said = decoder.decode(process.stderr).trim().slice(-longestQuote);
    super(
      `${titleOf(command)} ended ${how}${said === "" ? "" : `: ${said}`}. Pass { check: false } to look at the outcome yourself.`,
    );
    this.process = process;
  }
}

const nothing = new Uint8Array(0);

const collect = operation(function* collect(stream: ByteReceiveStream | undefined): Coroutine<Uint8Array> {
  if (stream === undefined) return nothing;
  const chunks: Uint8Array[] = [];
  for (;;) {
    try {
      chunks.push(yield* stream.receive());
    } catch (error) {
      if (!(error instanceof EndOfStream)) throw error;
      return Buffer.concat(chunks);
    }
  }
});

const feed = operation(function* feed(
  stream: ByteSendStream | undefined,
  input: string | Uint8Array,
): Coroutine<void> {
  if (stream === undefined) return;
  try {
    yield* stream.send(typeof input === "string" ? Buffer.from(input) : input);
    yield* stream.close();
  } catch (error) {
    // It need not read what it is given: `head` does not.
    if (!(error instanceof BrokenResourceError)) throw error;
  }
});

const complete = operation(function* complete(
  command: Command,
  options: RunProcessOptions,
): Coroutine<CompletedProcess> {
  const { cwd, env, killDelay, input, stdout, stderr } = options;
  const stdin = input === undefined ? (options.stdin ?? "ignore") : "pipe";
  const child = yield* openProcess(command, { cwd, env, killDelay, stdin, stdout, stderr });
  let captured: readonly [Uint8Array, Uint8Array, void];
  try {
    captured = yield* all([collect(child.stdout), collect(child.stderr), feed(child.stdin, input ?? "")]);
  } finally {
    yield* child.close();
  }
  return new CompletedProcess(command, child.exitStatus as ExitStatus, captured[0], captured[1]);
});

function checkInput({ input, stdin }: RunProcessOptions): void {
  if (input === undefined || stdin === undefined) return;
  throw new UsageError("What it reads is either input or what stdin says. Give one of them.");
}

const performRun = operation(function* runProcess(
  command: Command,
  options: RunProcessOptions,
): Coroutine<CompletedProcess> {
  checkInput(options);
  const work = complete(command, options);
  const completed = yield* options.timeout === undefined ? work : failAfter(options.timeout, work);
  if (options.check === false || completed.exitCode === 0) return completed;
  // A terminal gives Ctrl+C to the program and to us, in any order: then we are cancelled, and nothing has failed.
  yield* signalsHaveArrived();
  throw new ProcessFailed(completed);
});

/**
 * Runs a program to its end and gives what it wrote. Cancelled, or when its time is over, it is told to end; after
 * `killDelay` milliseconds it is killed. It has ended in any case.
 *
 * ```ts
 * import { runProcess } from "@anyloop/io";
 *
 * const sorted = await runProcess(["sort"], { input: "b\na\n" });
 * console.log(sorted.text().trim().split("\n")); // [ 'a', 'b' ]
 * ```
 *
 * @throws ProcessFailed unless `check` is false; TimeoutError; SystemError if it cannot be started; UsageError for options
 * that cannot be.
 */
export function runProcess(command: Command, options: RunProcessOptions = {}): Operation<CompletedProcess> {
  return performRun(command, options);
}
