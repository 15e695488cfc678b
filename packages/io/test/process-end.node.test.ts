/** How processes end: cancelled, closed, killed, and always reaped. */
import { existsSync } from "node:fs";
import { CancelScope, ClosedResourceError, isCancelled, run, shield, taskGroup, use } from "@anyloop/core";
import { kernel } from "@anyloop/kernel";
import { openProcess, type Process, runProcess } from "@anyloop/io";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, test } from "vitest";
import { caught, each } from "./each.ts";
import { decode, encode, isKnown, shell, warningsDuring } from "./processes.ts";

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
