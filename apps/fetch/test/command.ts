/** The command as a user starts it: a process of its own, with neither a terminal nor colours forced on it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly finished: Promise<Finished>;
  /** Resolves once standard output holds the words. */
  said(words: string): Promise<void>;
  interrupt(): void;
}

const { FORCE_COLOR: _forced, ...env } = process.env;

/** Starts a file of the app. Its standard input is `input`. */
export function start(file: string, args: readonly string[], input = ""): Running {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, ["--conditions=@anyloop/source", path, ...args], { env });
  child.stdin.end(input);
  let stdout = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
  const finish = async (): Promise<Finished> => {
    const exit = once(child, "close") as Promise<[number | null]>;
    const [stderr, [code]] = await Promise.all([text(child.stderr), exit]);
    return { code, stdout, stderr };
  };
  return {
    finished: finish(),
    async said(words) {
      while (!stdout.includes(words)) await once(child.stdout, "data");
    },
    interrupt: () => child.kill("SIGINT"),
  };
}

/** Runs `anyloop-fetch` to its end. */
export async function anyloopFetch(args: readonly string[], input = ""): Promise<Finished> {
  return await start("../src/main.ts", args, input).finished;
}
