/** Real threads and processes that run programs/other-side.ts. */
import { type ChildProcess, fork } from "node:child_process";
import { Worker } from "node:worker_threads";
import { fileURLToPath } from "node:url";

const program = new URL("programs/other-side.ts", import.meta.url);
const execArgv = ["--conditions=@anyloop/source"];

export interface OtherSide {
  readonly port: Worker | ChildProcess;
  /** Ends it from outside. */
  kill(): void;
}

function startThread(): OtherSide {
  const port = new Worker(program, { execArgv });
  return { port, kill: () => void port.terminate() };
}

function startProcess(): OtherSide {
  const port = fork(fileURLToPath(program), ["serve"], { serialization: "advanced", execArgv });
  return { port, kill: () => void port.kill("SIGKILL") };
}

export const otherSides: readonly (readonly [string, () => OtherSide])[] = [
  ["a thread", startThread],
  ["a process", startProcess],
];
