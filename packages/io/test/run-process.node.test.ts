/** `runProcess`: a program from its start to its end, and what is said of one that fails. */
import { readlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { run, TimeoutError, UsageError } from "@anyloop/core";
import { kernel } from "@anyloop/kernel";
import { openProcess, ProcessFailed, runProcess, SystemError } from "@anyloop/io";
import { expect, test } from "vitest";
import { caught, each } from "./each.ts";
import { decode, shell } from "./processes.ts";

each("runProcess gives the output, the error output and the exit code", function* () {
  const done = yield* runProcess(shell("cat; echo oops >&2; exit 3"), { input: "hello", check: false });
  expect([done.text(), decode(done.stderr), done.exitCode, done.signal]).toEqual([
    "hello",
    "oops\n",
    3,
    undefined,
  ]);
});

each("a string is a line for the shell", function* () {
  expect((yield* runProcess("echo one; echo two | tr a-z A-Z")).text()).toBe("one\nTWO\n");
});

each("check turns a bad exit code into an error that quotes what was said", function* () {
  const error = yield* caught(runProcess(shell("echo 'no such thing' >&2; exit 7")));
  expect(error).toBeInstanceOf(ProcessFailed);
  const { message, process: failed, code } = error as ProcessFailed;
  expect([failed.exitCode, code]).toEqual([7, "PROCESS_FAILED"]);
  expect(message).toContain("exit code 7: no such thing");
});

each("an end by a signal is told as one", function* () {
  const error = (yield* caught(runProcess(shell("kill -TERM $$")))) as ProcessFailed;
  expect([error.process.signal, error.process.exitCode]).toEqual(["SIGTERM", undefined]);
  expect(error.message).toContain("by SIGTERM");
});

each("input and outputs of a megabyte do not wait for each other", function* () {
  const input = new Uint8Array(1 << 20).map((_, index) => index % 251);
  const done = yield* runProcess(shell("head -c 1048576 /dev/zero >&2; cat"), { input });
  expect(Buffer.from(done.stdout).equals(input)).toBe(true);
  expect(done.stderr).toHaveLength(1 << 20);
});

each("a process need not read its input", function* () {
  const input = new Uint8Array(1 << 20);
  expect((yield* runProcess(shell("echo done"), { input })).text()).toBe("done\n");
});

each("cwd and env are the program's", function* () {
  const done = yield* runProcess(shell("pwd; echo $GREETING"), {
    cwd: "/",
    env: { PATH: process.env["PATH"], GREETING: "hi" },
  });
  expect(done.text()).toBe("/\nhi\n");
});

each("stdin is nothing, or what we would read ourselves", function* () {
  const kindOfInput = ["sh", "-c", "readlink /proc/self/fd/0"] as const;
  expect((yield* runProcess(kindOfInput)).text()).toBe("/dev/null\n");
  const { stdout } = yield* runProcess(kindOfInput, { stdin: "inherit" });
  expect(decode(stdout).trim()).toBe(readlinkSync("/proc/self/fd/0"));
  expect(yield* caught(runProcess(["cat"], { input: "x", stdin: "inherit" }))).toBeInstanceOf(UsageError);
});

each("a missing program is a SystemError with code, cause and a sentence", function* () {
  const error = (yield* caught(runProcess(["anyloop-no-such-program", "x"]))) as SystemError;
  expect(error).toBeInstanceOf(SystemError);
  expect([error.code, error.path]).toEqual(["ENOENT", "anyloop-no-such-program"]);
  expect(error.cause).toBeInstanceOf(Error);
  expect(error.message).toBe(
    "Cannot start `anyloop-no-such-program x` (ENOENT). It does not exist: check the name and where it is looked for.",
  );
});

each("a missing directory and a file that is no program are told", function* () {
  const missing = (yield* caught(runProcess(["true"], { cwd: "/no/such/place" }))) as SystemError;
  expect([missing.code, missing.message.includes("in /no/such/place")]).toEqual(["ENOENT", true]);
  const noProgram = (yield* caught(runProcess([fileURLToPath(import.meta.url)]))) as SystemError;
  expect(noProgram.code).toBe("EACCES");
});

each("options that cannot be are refused", function* () {
  for (const command of [[""], ["a\0b"], ["echo", "a\0b"]] as [string][]) {
    const error = (yield* caught(runProcess(command))) as UsageError;
    expect(error).toBeInstanceOf(UsageError);
    expect([error.message.includes("Cannot start"), error.cause instanceof Error]).toEqual([true, true]);
  }
  expect(yield* caught(openProcess(["true"], { killDelay: -1 }))).toBeInstanceOf(UsageError);
  expect(yield* caught(openProcess(["true"], { killDelay: Number.NaN }))).toBeInstanceOf(UsageError);
});

test("a time limit ends the process and throws TimeoutError", async () => {
  const started = performance.now();
  const work = runProcess(["sleep", "60"], { timeout: 50 });
  await expect(run(work, { backend: kernel() })).rejects.toBeInstanceOf(TimeoutError);
  expect(performance.now() - started).toBeLessThan(4_000);
});
