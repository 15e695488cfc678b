/**
 * A thread or a process that does jobs, as this side sees it.
 *
 * Invariant: `ended` resolves when the thread or the process is really gone. One that has nothing to do does not keep our
 * process alive, and none outlives it.
 */
import { spawn } from "node:child_process";
import { type Transferable, Worker } from "node:worker_threads";
import { openChannelEnd } from "./channel-end.ts";
import {
  type CallAnswer,
  describeError,
  type Job,
  restoreError,
  serveJobs,
  type WorkerMessage,
} from "./worker-side.ts";

export interface WorkerLink {
  /** Why it is gone, in words, once it is; with the error that ended it, if one did. */
  readonly ended: Promise<{ readonly how: string; readonly error: unknown }>;
  /** @throws what the host throws for what cannot be sent. */
  post(message: Job | CallAnswer, transfer: readonly Transferable[]): void;
  /** Whether it keeps our process alive. */
  keep(alive: boolean): void;
  /** Ends it at once; see `ended`. */
  kill(): void;
}

/** What it evaluates cannot import modules, but modules that are spelled out can. */
const isDeno = "Deno" in globalThis;

function moduleOf(source: string): string {
  return `data:text/javascript,${encodeURIComponent(source)}`;
}

type Listener = (message: WorkerMessage) => void;

/** `link` is the text of what `serveJobs` takes. `import` is written here, where no tool that builds us rewrites it. */
const program = (link: string): string => `
  // What esbuild, and so tsx, puts around functions when it keeps their names, and what vitest makes of import().
  globalThis.__name ??= (work) => work;
  globalThis.__vite_ssr_dynamic_import__ ??= (url) => import(url);
  (${serveJobs.toString()})(${link}, (url) => import(url), {
    openChannelEnd: ${openChannelEnd.toString()},
    describeError: ${describeError.toString()},
    restoreError: ${restoreError.toString()},
  });`;

const threadProgram = (): string => `
  const { parentPort } = process.getBuiltinModule("node:worker_threads");
  ${program("{ post: (message) => parentPort.postMessage(message), listen: (handler) => parentPort.on('message', handler) }")}`;

/** Deno sends a process what cannot be cloned, and the other side dies of it. Self-contained. */
function sendable<T extends object>(message: T): T {
  return "Deno" in globalThis ? structuredClone(message) : message;
}

/** It ends with us: when we are gone the channel between us is. */
const processProgram = (): string => `
  process.on("disconnect", () => process.exit());
  ${program(`{ post: (message) => process.send((${sendable.toString()})(message)), listen: (handler) => process.on('message', handler) }`)}`;

export function startThread(listener: Listener): WorkerLink {
  const worker = isDeno
    ? new Worker(new URL(moduleOf(threadProgram())))
    : new Worker(threadProgram(), { eval: true });
  let error: unknown;
  worker.on("message", listener);
  worker.on("error", (thrown) => {
    error = thrown;
  });
  return {
    ended: new Promise((resolve) => {
      worker.once("exit", (code) => resolve({ how: `The thread ended with code ${String(code)}`, error }));
    }),
    post: (message, transfer) => worker.postMessage(message, transfer),
    keep: (alive) => (alive ? worker.ref() : worker.unref()),
    kill: () => void worker.terminate(),
  };
}

const processes = new Set<() => void>();

/** One that is busy would not see that we are gone. */
function killProcesses(): void {
  for (const kill of processes) kill();
}

/** Our own flags, without those that say which program to run or that take a port which we have. */
function flags(): string[] {
  const own: string[] = [];
  for (let at = 0; at < process.execArgv.length; at++) {
    const flag = process.execArgv[at] as string;
    if (/^(?:-e|--eval|-p|--print|-pe)$/.test(flag)) at++;
    else if (!/^--(?:eval|print|input-type|inspect|test|watch|hot)\b/.test(flag)) own.push(flag);
  }
  return own;
}

export function startProcess(listener: Listener): WorkerLink {
  const args = isDeno
    ? ["run", "-A", "--quiet", moduleOf(processProgram())]
    : [...flags(), "-e", processProgram()];
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    serialization: "advanced",
    windowsHide: true,
  });
  let error: unknown;
  const kill = (): void => void child.kill("SIGKILL");
  if (processes.size === 0) process.on("exit", killProcesses);
  processes.add(kill);
  child.on("message", (message) => listener(message as WorkerMessage));
  const ended = new Promise<{ how: string; error: unknown }>((resolve) => {
    const end = (how: string): void => {
      processes.delete(kill);
      if (processes.size === 0) process.off("exit", killProcesses);
      resolve({ how, error });
    };
    child.once("exit", (code, signal) => end(`The process ended with ${signal ?? `code ${String(code)}`}`));
    child.on("error", (thrown) => {
      error = thrown;
      // It never began, so it does not exit either.
      if (child.pid === undefined) end("The process could not be started");
    });
  });
  return {
    ended,
    post: (message) => void child.send(sendable(message)),
    keep(alive) {
      const act = alive ? "ref" : "unref";
      child[act]();
      // Bun's has neither, and keeps nothing alive.
      child.channel?.[act]?.();
    },
    kill,
  };
}
