/** The program that runs the contestants: the Node that runs the bench, or another one, Bun or Deno. */
import { execFileSync } from "node:child_process";
import path from "node:path";

export interface Runtime {
  readonly command: string;
  /** Arguments before the script: a collection on demand, and Deno's permissions. */
  readonly args: readonly string[];
  /** "Node 26.10.0" */
  readonly name: string;
}

function askVersion(command: string): string {
  try {
    return execFileSync(command, ["--version"], { encoding: "utf8" });
  } catch (error) {
    throw new Error(`--node: "${command}" does not run: give the path of a Node, Bun or Deno.`, {
      cause: error,
    });
  }
}

export function runtimeAt(command: string): Runtime {
  const version = askVersion(command);
  const kind = path.basename(command).replace(/\.exe$/, "");
  const [number] = /\d+\.\d+\.\d+/.exec(version) ?? [version.trim()];
  if (kind === "deno") {
    return {
      command,
      args: ["run", "--allow-all", "--cached-only", "--v8-flags=--expose-gc"],
      name: `Deno ${number}`,
    };
  }
  if (kind === "bun") return { command, args: [], name: `Bun ${number}` };
  return { command, args: ["--expose-gc"], name: `Node ${number}` };
}
