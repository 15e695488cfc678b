/** Real processes: how they are started, talked to, ended and reaped. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  all,
  BrokenResourceError,
  BusyResourceError,
  type ByteReceiveStream,
  type ByteSendStream,
  type ByteStream,
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  isCancelled,
  linesOf,
  moveOnAfter,
  operation,
  run,
  shield,
  stapled,
  taskGroup,
  TimeoutError,
  use,
  UsageError,
} from "@anyloop/core";
import { kernel } from "@anyloop/kernel";
import { openProcess, type Process, ProcessFailed, runProcess, SystemError } from "@anyloop/io";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, expectTypeOf, test } from "vitest";
import { caught, each, eachUnless, isBun } from "./each.ts";

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** Whether a process is known to the system, as a zombie as well. */
function isKnown(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** A shell that says "ready" and does as it is told from then on. */
const shell = (script: string): ["sh", "-c", string] => ["sh", "-c", script];

const readAll = operation(function* readAll(stream: ByteReceiveStream): Coroutine<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for (;;) {
    try {
      chunks.push(yield* stream.receive());
    } catch (error) {
      if (error instanceof EndOfStream) return Buffer.concat(chunks);
      throw error;
    }
  }
});

function warningsDuring(): { readonly texts: string[]; stop(): void } {
  const texts: string[] = [];
  const note = (warning: Error & { code?: string }): void => {
    if (warning.code === "ANYLOOP_PROCESS_KILLED") texts.push(warning.message);
  };
  process.on("warning", note);
  return { texts, stop: () => process.off("warning", note) };
}

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

each("talks with a process over its pipes", function* () {
  yield* use(openProcess(["cat"]), function* (cat) {
    const lines = linesOf(cat.stdout);
    yield* cat.stdin.send(encode("one\n"));
    expect(yield* lines.receive()).toBe("one");
    expect(cat.exitStatus).toBeUndefined();
    yield* cat.stdin.close();
    expect(yield* caught(lines.receive())).toBeInstanceOf(EndOfStream);
    expect(yield* cat.wait()).toEqual({ exitCode: 0, signal: undefined });
    expect(cat.exitStatus).toEqual({ exitCode: 0, signal: undefined });
    // After its end these do nothing.
    cat.terminate();
    cat.kill();
  });
});

each("what is ignored or inherited is no stream", function* () {
  yield* use(
    openProcess(shell("exit 0"), { stdin: "ignore", stdout: "ignore", stderr: "inherit" }),
    function* (child) {
      expect([child.stdin, child.stdout, child.stderr]).toEqual([undefined, undefined, undefined]);
    },
  );
});

test("the types know which streams there are", () => {
  const check = (): void => {
    expectTypeOf(openProcess(["cat"]))
      .resolves.toHaveProperty("stdin")
      .not.toEqualTypeOf<undefined>();
    const ignoring = openProcess(["cat"], { stdin: "ignore" });
    expectTypeOf(ignoring).resolves.toHaveProperty("stdin").toEqualTypeOf<undefined>();
    expectTypeOf(ignoring).resolves.toHaveProperty("stdout").toEqualTypeOf<ByteReceiveStream>();
    // @ts-expect-error An empty command names no program.
    void openProcess([]);
  };
  expect(check).toBeTypeOf("function");
});

// Cancellation.

each("arriving cancelled starts nothing", function* () {
  const mark = `/tmp/anyloop-io-never-${String(process.pid)}-${String(Math.random())}`;
  const scope = new CancelScope();
  scope.cancel();
  yield* scope.run(function* () {
    yield* runProcess(["touch", mark]);
  });
  expect(scope.cancelledCaught).toBe(true);
  expect(existsSync(mark)).toBe(false);
});

each("cancelled while it starts, the process comes into the opener's hands, and is ended", function* () {
  let child: Process | undefined;
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      yield* use(openProcess(["sleep", "60"]), function* (opened) {
        child = opened;
        yield* opened.wait();
      });
    });
    yield* waitAllTasksBlocked();
    group.cancel();
  });
  expect(isKnown((child as Process).pid)).toBe(false);
  expect((child as Process).exitStatus).toEqual({ exitCode: undefined, signal: "SIGTERM" });
});

each("a cancelled process is asked to end, and is reaped", function* () {
  const warnings = warningsDuring();
  let child: Process | undefined;
  const scope = new CancelScope();
  yield* scope.run(function* () {
    yield* use(
      openProcess(shell("trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done")),
      function* (opened) {
        child = opened;
        yield* opened.stdout.receive();
        scope.cancel();
        yield* opened.wait();
      },
    );
  });
  warnings.stop();
  expect((child as Process).exitStatus).toEqual({ exitCode: 9, signal: undefined });
  expect(isKnown((child as Process).pid)).toBe(false);
  expect(warnings.texts).toEqual([]);
});

each("one that does not heed the polite signal is killed after a delay, with a warning", function* () {
  const warnings = warningsDuring();
  let child: Process | undefined;
  const scope = new CancelScope();
  const started = performance.now();
  yield* scope.run(function* () {
    const deaf = shell("trap '' TERM; echo ready; while :; do sleep 0.01; done");
    yield* use(openProcess(deaf, { killDelay: 50 }), function* (opened) {
      child = opened;
      yield* opened.stdout.receive();
      scope.cancel();
      yield* opened.wait();
    });
  });
  expect(performance.now() - started).toBeGreaterThanOrEqual(50);
  expect((child as Process).exitStatus).toEqual({ exitCode: undefined, signal: "SIGKILL" });
  expect(isKnown((child as Process).pid)).toBe(false);
  // Warnings are told in a turn of the host.
  yield* waitAllTasksBlocked();
  warnings.stop();
  expect(warnings.texts).toHaveLength(1);
  expect(warnings.texts[0]).toContain("did not end within 50 ms of SIGTERM");
});

each("a second cancellation from outside does not cut the reaping short", function* () {
  let child: Process | undefined;
  const outer = new CancelScope();
  yield* outer.run(function* () {
    const inner = new CancelScope();
    yield* inner.run(function* () {
      yield* use(
        openProcess(shell("trap 'sleep 0.05; exit 9' TERM; echo ready; while :; do sleep 0.01; done")),
        function* (opened) {
          child = opened;
          yield* opened.stdout.receive();
          inner.cancel();
          process.nextTick(() => outer.cancel());
          yield* opened.wait();
        },
      );
    });
  });
  expect((child as Process).exitStatus?.exitCode).toBe(9);
});

each("a shield keeps a process from the cancellation around it", function* () {
  const scope = new CancelScope();
  yield* scope.run(function* () {
    const done = yield* shield(function* () {
      scope.cancel();
      return yield* runProcess(["echo", "kept"]);
    });
    expect(done.text()).toBe("kept\n");
  });
});

each("cancelled after its end, nothing is lost", function* () {
  const scope = new CancelScope();
  let text = "";
  yield* scope.run(function* () {
    text = (yield* runProcess(["echo", "done"])).text();
    scope.cancel();
  });
  expect([text, scope.cancelledCaught]).toEqual(["done\n", false]);
});

test("a time limit ends the process and throws TimeoutError", async () => {
  const started = performance.now();
  const work = runProcess(["sleep", "60"], { timeout: 50 });
  await expect(run(work, { backend: kernel() })).rejects.toBeInstanceOf(TimeoutError);
  expect(performance.now() - started).toBeLessThan(4_000);
});

test("cancelling wait() leaves the process alone", async () => {
  await run(
    function* () {
      yield* use(openProcess(["cat"]), function* (cat) {
        yield* moveOnAfter(10, cat.wait());
        expect(cat.exitStatus).toBeUndefined();
        yield* cat.stdin.close();
        expect((yield* cat.wait()).exitCode).toBe(0);
      });
    },
    { backend: kernel() },
  );
});

each("closing a process that is blocked on a full pipe does not deadlock", function* () {
  yield* use(openProcess(["cat", "/dev/zero"]), function* (child) {
    yield* child.stdout.receive(1);
  });
});

each("the body's error comes out as itself, and the process has ended", function* () {
  let child: Process | undefined;
  const failure = new Error("mine");
  const error = yield* caught(
    use(openProcess(["cat"]), function* (opened) {
      child = opened;
      throw failure;
    }),
  );
  expect(error).toBe(failure);
  expect((child as Process).exitStatus).toEqual({ exitCode: 0, signal: undefined });
});

each("any number of tasks may wait for the end, also after it", function* () {
  yield* use(openProcess(["cat"]), function* (cat) {
    yield* taskGroup(function* (group) {
      const waiting = [1, 2, 3].map(() => group.startSoon(cat.wait()));
      yield* waitAllTasksBlocked();
      waiting[0]?.cancel();
      yield* cat.stdin.close();
      for (const task of waiting.slice(1)) expect((yield* task.join()).exitCode).toBe(0);
    });
    expect((yield* cat.wait()).exitCode).toBe(0);
  });
});

each("wait comes back when the process has ended, though somebody else still holds its pipes", function* () {
  yield* use(openProcess(shell("sleep 60 & echo $!")), function* (child) {
    const [grandchild] = (yield* linesOf(child.stdout).receive()).split("\n");
    expect((yield* child.wait()).exitCode).toBe(0);
    process.kill(Number(grandchild));
  });
});

each("closing a process wakes the task that reads from it", function* () {
  const child = yield* openProcess(["cat"]);
  yield* taskGroup(function* (group) {
    const reading = group.startSoon(caught(child.stdout.receive()));
    yield* waitAllTasksBlocked();
    yield* child.close();
    expect(yield* reading.join()).toBeInstanceOf(ClosedResourceError);
  });
});

each("a process that was cancelled has its streams closed", function* () {
  let child: Process | undefined;
  const scope = new CancelScope();
  yield* scope.run(
    use(openProcess(["cat"]), function* (opened) {
      child = opened;
      scope.cancel();
      yield* opened.wait();
    }),
  );
  const { stdin, stdout, stderr } = child as Process;
  expect(yield* caught(stdout.receive())).toBeInstanceOf(ClosedResourceError);
  expect(yield* caught(stderr.receive())).toBeInstanceOf(ClosedResourceError);
  expect(yield* caught(stdin.send(encode("x")))).toBeInstanceOf(ClosedResourceError);
});

each("close twice is close once", function* () {
  const child = yield* openProcess(["cat"]);
  yield* child.close();
  yield* child.close();
  expect(child.exitStatus?.exitCode).toBe(0);
});

// The pipes as byte streams.

/** Two processes that pass on what they are given, as the two directions of one stream. */
function* withPipes(body: (near: ByteStream, far: ByteStream) => Coroutine<void>): Coroutine<void> {
  yield* use(openProcess(["cat"]), (there) =>
    use(openProcess(["cat"]), function* (back) {
      yield* body(stapled(there.stdin, back.stdout), stapled(back.stdin, there.stdout));
    }),
  );
}

each("a pipe is a byte stream: empty sends, small receives, the end of the stream", function* () {
  yield* withPipes(function* (near, far) {
    yield* near.send(new Uint8Array(0));
    yield* near.send(encode("hello"));
    expect(decode(yield* far.receive(2))).toBe("he");
    expect(decode(yield* far.receive(2))).toBe("ll");
    expect(decode(yield* far.receive())).toBe("o");
    yield* near.send(encode("last"));
    yield* near.sendEof();
    expect(yield* caught(near.send(encode("x")))).toBeInstanceOf(ClosedResourceError);
    expect(decode(yield* readAll(far))).toBe("last");
    expect(yield* caught(far.receive())).toBeInstanceOf(EndOfStream);
    expect(yield* caught(far.receive())).toBeInstanceOf(EndOfStream);
    // The other direction is still open.
    yield* far.send(encode("answer"));
    expect(decode(yield* near.receive())).toBe("answer");
  });
});

each("a pipe refuses a bad maxBytes", function* () {
  yield* withPipes(function* (near) {
    for (const maxBytes of [0, -1, 1.5, Number.NaN]) expect(() => near.receive(maxBytes)).toThrow(UsageError);
  });
});

each("two receives at once are Busy, and a close wakes the one that waits", function* () {
  yield* withPipes(function* (near) {
    yield* taskGroup(function* (group) {
      const waiting = group.startSoon(caught(near.receive()));
      yield* waitAllTasksBlocked();
      expect(yield* caught(near.receive())).toBeInstanceOf(BusyResourceError);
      yield* near.close();
      expect(yield* waiting.join()).toBeInstanceOf(ClosedResourceError);
      expect(yield* caught(near.receive())).toBeInstanceOf(ClosedResourceError);
      expect(yield* caught(near.send(encode("x")))).toBeInstanceOf(ClosedResourceError);
      yield* near.close();
    });
  });
});

each("a cancelled receive loses nothing; one that arrives cancelled takes nothing", function* () {
  yield* withPipes(function* (near, far) {
    yield* taskGroup(function* (group) {
      const reader = group.startSoon(far.receive());
      yield* waitAllTasksBlocked();
      reader.cancel();
      yield* reader.wait();
    });
    yield* near.send(encode("kept"));
    const scope = new CancelScope();
    scope.cancel();
    yield* scope.run(far.receive());
    expect(decode(yield* far.receive())).toBe("kept");
  });
});

each("a send waits while much is on its way; cancelled, it has sent nothing", function* () {
  yield* use(openProcess(shell("read line; cat >/dev/null; exit 5")), function* (child) {
    const megabyte = new Uint8Array(1 << 20);
    yield* child.stdin.send(encode("no newline yet"));
    yield* child.stdin.send(megabyte);
    const scope = new CancelScope();
    yield* taskGroup(function* (group) {
      group.startSoon(scope.run(child.stdin.send(megabyte)));
      yield* waitAllTasksBlocked();
      expect(scope.cancelledCaught).toBe(false);
      scope.cancel();
    });
    expect(scope.cancelledCaught).toBe(true);
    child.kill();
  });
});

eachUnless(
  isBun,
  "Bun reports no error for it",
  "the other side's end is Broken, and stays broken",
  function* () {
    yield* use(
      openProcess(shell("exec 0<&-; echo closed; cat <&3 3</dev/null; sleep 60")),
      function* (child) {
        yield* child.stdout.receive();
        const error = (yield* caught(sendForEver(child.stdin))) as BrokenResourceError;
        expect(error).toBeInstanceOf(BrokenResourceError);
        expect(error.cause).toBeInstanceOf(Error);
        expect(yield* caught(child.stdin.send(encode("again")))).toBeInstanceOf(BrokenResourceError);
        child.kill();
      },
    );
  },
);

const sendForEver = operation(function* sendForEver(stream: ByteSendStream): Coroutine<never> {
  for (;;) {
    yield* stream.send(encode("x"));
    yield* waitAllTasksBlocked();
  }
});

each("a cancelled close still closes, and drops what could not be sent", function* () {
  yield* use(openProcess(["sleep", "60"]), function* (child) {
    yield* child.stdin.send(new Uint8Array(1 << 20));
    const scope = new CancelScope();
    yield* taskGroup(function* (group) {
      const closing = group.startSoon(scope.run(child.stdin.close()));
      yield* waitAllTasksBlocked();
      scope.cancel();
      yield* closing.wait();
    });
    expect(scope.cancelledCaught).toBe(true);
    expect(yield* caught(child.stdin.send(encode("x")))).toBeInstanceOf(ClosedResourceError);
    child.kill();
  });
});

each("a megabyte goes both ways in pieces of any size", function* () {
  const data = new Uint8Array(1 << 20).map((_, index) => (index * 31) % 256);
  const sendAll = operation(function* (stream: ByteStream) {
    for (let at = 0, size = 1; at < data.length; at += size, size = 1 + ((size * 7919) % 40_000))
      yield* stream.send(data.subarray(at, at + size));
    yield* stream.sendEof();
  });
  yield* withPipes(function* (near, far) {
    const [, , there, back] = yield* all([sendAll(near), sendAll(far), readAll(far), readAll(near)]);
    expect(Buffer.from(there).equals(data)).toBe(true);
    expect(Buffer.from(back).equals(data)).toBe(true);
  });
});

each("a buffer may be used again once send has come back", function* () {
  const done = yield* use(openProcess(["cat"]), function* (cat) {
    const buffer = new Uint8Array(300_000).fill(1);
    yield* cat.stdin.send(buffer);
    buffer.fill(2);
    const [bytes] = yield* all([readAll(cat.stdout), cat.stdin.close()]);
    return bytes;
  });
  expect(done.every((byte) => byte === 1)).toBe(true);
});

test("async style: await using, and a cancellation that passes", async () => {
  const exitStatus = await run(
    async () => {
      await using cat = await openProcess(["cat"]);
      await cat.stdin.send(encode("hi"));
      expect(decode(await cat.stdout.receive())).toBe("hi");
      return cat;
    },
    { backend: kernel() },
  );
  expect(exitStatus.exitStatus?.exitCode).toBe(0);
  const scope = new CancelScope();
  const error = await run(
    async () => {
      await scope.run(async () => {
        scope.cancel();
        await runProcess(["sleep", "60"]);
      });
    },
    { backend: kernel() },
  ).catch((thrown: unknown) => thrown);
  expect([error === undefined || isCancelled(error), scope.cancelledCaught]).toEqual([true, true]);
});
