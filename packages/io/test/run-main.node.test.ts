/** Ctrl+C, sent for real to programs that run for real. */
import { expect, test } from "vitest";
import { type Kill, noPrograms, runProgram } from "./program.ts";

const backends = ["kernel", "native"] as const;

function onPrograms(name: string, body: (backend: string) => Promise<void>, cannot = noPrograms): void {
  for (const backend of backends) {
    if (cannot === undefined) test(`${name} [${backend}]`, () => body(backend));
    else test.skip(`${name} [${cannot}]`);
  }
}

/** Deno listens in another thread: a signal may come long after it was sent. */
const lateOnDeno = "Deno" in globalThis ? "Deno may tell of it too late" : noPrograms;

for (const [signal, exitCode] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  onPrograms(
    `the first ${signal} cancels main, which cleans up; nothing ugly is printed`,
    async (backend) => {
      const ended = await runProgram("ctrl-c.ts", ["orderly", backend], (line, kill) => {
        if (line === "ready") kill(signal);
      });
      expect(ended).toEqual({
        stdout: "ready\nchild cleaned up\nmain cleaned up\n",
        stderr: "",
        exitCode,
        signal: null,
      });
    },
  );
}

onPrograms("async style is cancelled as well", async (backend) => {
  const ended = await runProgram("ctrl-c.ts", ["asynchronous", backend], (line, kill) => {
    if (line === "ready") kill("SIGINT");
  });
  expect(ended).toEqual({ stdout: "ready\nmain cleaned up\n", stderr: "", exitCode: 130, signal: null });
});

onPrograms(
  "Ctrl+C in a terminal, which ends the program's own programs as well, is no failure of those",
  async (backend) => {
    const programs = 8;
    let started = 0;
    const onLine = (line: string, kill: Kill): void => {
      if (line === "ready" && ++started === programs) kill("SIGINT", "group");
    };
    const ended = await runProgram("ctrl-c.ts", ["with-programs", backend], onLine, { hasGroup: true });
    const stdout = `${"ready\n".repeat(programs)}main cleaned up\n`;
    expect(ended).toEqual({ stdout, stderr: "", exitCode: 130, signal: null });
  },
  lateOnDeno,
);

onPrograms(
  "Ctrl+C in a terminal, which ends worker processes as well, is no failure of those",
  async (backend) => {
    const onLine = (line: string, kill: Kill): void => {
      if (line === "ready") kill("SIGINT", "group");
    };
    const ended = await runProgram("ctrl-c.ts", ["with-a-worker", backend], onLine, { hasGroup: true });
    expect(ended).toEqual({ stdout: "ready\nmain cleaned up\n", stderr: "", exitCode: 130, signal: null });
  },
  lateOnDeno,
);

onPrograms("the second Ctrl+C prints the task tree and ends the process", async (backend) => {
  const ended = await runProgram("ctrl-c.ts", ["stubborn", backend], (line, kill) => {
    if (line === "ready" || line === "cleaning up") kill("SIGINT");
  });
  expect(ended.exitCode).toBe(130);
  expect(ended.stdout).toBe("ready\ncleaning up\n");
  const [empty, title, main, ...rest] = ended.stderr.split("\n");
  expect([empty, title]).toEqual(["", "SIGINT again: ended while these tasks had not."]);
  expect(main).toBe("program (task 1), running, waits for its children");
  const child = rest.findIndex((line) =>
    line.startsWith("  stubborn child (task 2), cancelling, waits for "),
  );
  expect(child).toBeGreaterThanOrEqual(0);
  expect(rest.slice(child).join("\n")).toContain("ctrl-c.ts");
});

onPrograms("a main that ends in order when told to has succeeded", async (backend) => {
  const ended = await runProgram("ctrl-c.ts", ["graceful", backend], (line, kill) => {
    if (line === "ready") kill("SIGINT");
  });
  expect(ended).toEqual({ stdout: "ready\nhanded over\n", stderr: "", exitCode: 0, signal: null });
});

onPrograms("an error while cleaning up is told as every error is", async (backend) => {
  const ended = await runProgram("ctrl-c.ts", ["failing", backend], (line, kill) => {
    if (line === "ready") kill("SIGINT");
  });
  expect(ended.exitCode).toBe(1);
  expect(ended.stderr).toContain("while cleaning up");
});

onPrograms("without a signal main gives its value, and the process ends by itself", async (backend) => {
  expect(await runProgram("ctrl-c.ts", ["finished", backend])).toEqual({
    stdout: "value\n",
    stderr: "",
    exitCode: 0,
    signal: null,
  });
});

onPrograms("a signal that the program receives itself does not cancel main", async (backend) => {
  const ended = await runProgram("ctrl-c.ts", ["receiving", backend], (line, kill) => {
    if (line === "ready" || line === "closed") kill("SIGINT");
  });
  expect(ended).toEqual({
    stdout: "ready\nreceived SIGINT\nclosed\nmain cleaned up\n",
    stderr: "",
    exitCode: 130,
    signal: null,
  });
});

onPrograms(
  "a signal that comes while its receiver is closed does what it always does",
  async (backend) => {
    const ended = await runProgram("ctrl-c.ts", ["closed-too-early", backend]);
    expect(ended).toEqual({ stdout: "", stderr: "", exitCode: null, signal: "SIGUSR2" });
  },
  lateOnDeno,
);

onPrograms(
  "one that is main's to heed goes to main",
  async (backend) => {
    const ended = await runProgram("ctrl-c.ts", ["closed-too-early-for-main", backend]);
    expect(ended).toEqual({ stdout: "main cleaned up\n", stderr: "", exitCode: 130, signal: null });
  },
  lateOnDeno,
);

onPrograms("a task that waits for a signal keeps the process", async (backend) => {
  const ended = await runProgram("ctrl-c.ts", ["waiting", backend], (line, kill) => {
    // Long after a process without anything to do would have ended.
    if (line === "ready") setTimeout(() => kill("SIGUSR2"), 200);
    if (line === "SIGUSR2") kill("SIGHUP");
  });
  expect(ended).toEqual({
    stdout: "ready\nSIGUSR2\nSIGHUP\n",
    stderr: "",
    exitCode: 0,
    signal: null,
  });
});
