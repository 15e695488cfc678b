/** Starts a program of `test/programs` on the runtime that runs the tests. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Why programs cannot be started here, if they cannot. */
export const noPrograms: string | undefined = process.version.startsWith("v20.")
  ? "Node 20 runs no TypeScript"
  : undefined;

const condition = "--conditions=@anyloop/source";
const flags = "Deno" in globalThis ? ["run", "-A", "--quiet", condition] : [condition];

/** How a program of `test/programs` is started: the runtime and its arguments. */
export function commandOf(name: string): [string, ...string[]] {
  return [process.execPath, ...flags, fileURLToPath(new URL(`programs/${name}`, import.meta.url))];
}

export interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** Sends a signal to a program; to those it has started as well, as a terminal does, if it has a `"group"` of its own. */
export type Kill = (signal: NodeJS.Signals, whom?: "group") => void;

/** Runs it; `onLine` is told each line that it prints, and may send signals. */
export function runProgram(
  name: string,
  args: readonly string[],
  onLine: (line: string, kill: Kill) => void = () => {},
  { hasGroup = false }: { readonly hasGroup?: boolean } = {},
): Promise<Ended> {
  const [runtime, ...before] = commandOf(name);
  const child = spawn(runtime, [...before, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 30_000,
    detached: hasGroup,
  });
  // Not `child.kill`: Deno takes a process for ended as soon as that has sent a signal.
  const pid = child.pid as number;
  const kill: Kill = (signal, whom) => void process.kill(whom === "group" ? -pid : pid, signal);
  let stdout = "";
  let stderr = "";
  let told = 0;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    for (let at = stdout.indexOf("\n", told); at >= 0; at = stdout.indexOf("\n", told)) {
      const line = stdout.slice(told, at);
      told = at + 1;
      onLine(line, kill);
    }
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (exitCode, signal) => resolve({ stdout, stderr, exitCode, signal }));
  });
}
