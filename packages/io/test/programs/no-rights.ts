/** Tries, as a user who may do nothing there, what is named in a directory of somebody else; prints each error. */
import { join } from "node:path";
import { type Operation, run } from "@anyloop/core";
import { connectUnix, listenTcp, listenUnix, openFile, runProcess, writeFile } from "@anyloop/io";
import { kernel } from "@anyloop/kernel";

const [directory = "", port = ""] = process.argv.slice(2);
const attempts: Readonly<Record<string, () => Operation<unknown>>> = {
  "read a file": () => openFile(join(directory, "secret")),
  "make a file": () => writeFile(join(directory, "new"), "x"),
  "run a program": () => runProcess([join(directory, "secret")]),
  "run it there": () => runProcess(["true"], { cwd: join(directory, "closed") }),
  "make a socket": () => listenUnix(join(directory, "new")),
  "use a socket": () => connectUnix(join(directory, "socket")),
  "take a port": () => listenTcp(Number(port), { host: "127.0.0.1" }),
};

const nobody = 65_534;
if (process.getuid?.() === 0) {
  process.setegid?.(nobody);
  process.seteuid?.(nobody);
}
await run(
  function* () {
    for (const [name, attempt] of Object.entries(attempts)) {
      try {
        yield* attempt();
        console.log(`${name}: was done`);
      } catch (error) {
        const { name: type, code, cause, message } = error as Error & { code: string };
        const isComplete = cause instanceof Error && message.includes("Permission was denied");
        console.log(
          `${name}: ${type} ${code}${isComplete ? "" : ` without a cause or a sentence: ${message}`}`,
        );
      }
    }
  },
  { backend: kernel() },
);
// A port that was free after all would keep it.
process.exit();
