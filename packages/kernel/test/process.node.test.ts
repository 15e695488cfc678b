/** How a process ends: by itself, or with a deadlock report at its very end. Each case is a process of its own. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const repository = fileURLToPath(new URL("../../..", import.meta.url));
const kernelIndex = new URL("../src/index.ts", import.meta.url).href;
const nativeIndex = new URL("../../native/src/index.ts", import.meta.url).href;

/** Runs a program; `backend` and everything of core are in scope. */
function runProgram(body: string, backend = "kernel()"): { status: number | null; output: string } {
  const program = `
    import * as core from "@anyloop/core";
    import { kernel } from ${JSON.stringify(kernelIndex)};
    import { native } from ${JSON.stringify(nativeIndex)};
    const { run, sleep, sleepForever, taskGroup, Event, Lock, moveOnAfter, operation, fromPromise, memoryStream } = core;
    const backend = ${backend};
    ${body}`;
  const result = spawnSync(
    process.execPath,
    ["--expose-gc", "--conditions=@anyloop/source", "--input-type=module-typescript", "--eval", program],
    { cwd: path.join(repository, "packages/kernel"), encoding: "utf8", timeout: 60_000 },
  );
  return { status: result.status, output: result.stdout + result.stderr };
}

for (const backend of ["kernel()", "native()"]) {
  test(`a process exits by itself once its runs have ended [${backend}]`, () => {
    const started = performance.now();
    const { status, output } = runProgram(
      `
      await run(() => moveOnAfter(60_000, function* () {
        const controller = new AbortController();
        yield* taskGroup(function* (group) {
          group.startSoon(sleep(60_000));
          group.startSoon(function* () { yield* sleep(1); group.cancel(); });
        });
      }), { backend, signal: new AbortController().signal });
      console.log("ended");`,
      backend,
    );
    expect(output).toBe("ended\n");
    expect(status).toBe(0);
    expect(performance.now() - started).toBeLessThan(30_000);
  });

  test(`heap after a million short tasks is flat [trio nursery_cancel_doesnt_create_cyclic_garbage] [${backend}]`, () => {
    const { output } = runProgram(
      `
      const nothing = operation(function* nothing() {});
      const many = () => run(function* () {
        for (let round = 0; round < 100; round++) {
          yield* taskGroup(function* (group) {
            for (let task = 0; task < 5_000; task++) group.startSoon(nothing());
          });
        }
      }, { backend });
      await many();
      gc();
      const before = process.memoryUsage().heapUsed;
      await many();
      await many();
      gc();
      const grown = process.memoryUsage().heapUsed - before;
      console.log(grown < 2_000_000 ? "flat" : "grown by " + grown);`,
      backend,
    );
    expect(output).toBe("flat\n");
  });
}

for (const backend of ["kernel()", "native()"]) {
  test(`two tasks that pass items for ever, and one that swallows every cancellation, leave timers, I/O and Ctrl+C alive [${backend}]`, () => {
    const { status, output } = runProgram(
      `
      process.once("SIGINT", () => {
        console.log("interrupted");
        process.exit(7);
      });
      const [send, receive] = memoryStream();
      const scope = new core.CancelScope();
      void run(() => taskGroup((group) => {
        group.startSoon(function* () { for (;;) yield* send.send(1); });
        group.startSoon(function* () { for (;;) yield* receive.receive(); });
        group.startSoon(scope.run(function* () {
          scope.cancel();
          for (;;) try { yield* sleep(1); } catch {}
        }));
      }), { backend });
      await new Promise((resolve) => setTimeout(resolve, 5));
      console.log("timer");
      await (await import("node:fs/promises")).readFile("package.json");
      console.log("file");
      process.kill(process.pid, "SIGINT");`,
      backend,
    );
    expect(output).toBe("timer\nfile\ninterrupted\n");
    expect(status).toBe(7);
  });
}

test("a deadlock on a real host is told when the process has nothing left to do", () => {
  const { output } = runProgram(`
    const [, receive] = memoryStream();
    try {
      await run(function* stuck() { yield* receive.receive(); }, { backend });
    } catch (error) {
      console.log(error.name, error.message.includes("stuck (task 1) waits for an item of a memory stream"));
    }`);
  expect(output).toBe("DeadlockError true\n");
});

test("a plain callback that wakes a task later is no deadlock; a promise owed keeps the process", () => {
  const { output } = runProgram(`
    const event = new Event();
    setTimeout(() => event.set(), 100);
    await run(event.wait(), { backend });
    console.log("woken");
    const unheld = new Promise((resolve) => setTimeout(resolve, 150).unref());
    await run(fromPromise(unheld), { backend });
    console.log("kept");`);
  expect(output).toBe("woken\nkept\n");
});

test("all runs of the process together: one that is alive keeps the others from being told", () => {
  const { output } = runProgram(`
    const stuck = run(sleepForever(), { backend, name: "stuck" }).catch((error) => console.log(error.name));
    await run(sleep(50), { backend: kernel() });
    console.log("first");
    await stuck;`);
  expect(output).toBe("first\nDeadlockError\n");
});

test("deadlocks can be left alone", () => {
  const { status } = runProgram(`await run(sleepForever(), { backend });`, 'kernel({ deadlock: "ignore" })');
  // Node's own code for a top-level await that never settles.
  expect(status).toBe(13);
});

test("cancelling 100 000 parked tasks, and ten times as many operations deep, ends", () => {
  const { output } = runProgram(`
    const parked = operation(function* parked() { yield* sleepForever(); });
    const time = async (count) => {
      const started = performance.now();
      await run(() => moveOnAfter(1, () => taskGroup(function* (group) {
        for (let task = 0; task < count; task++) group.startSoon(parked());
      })), { backend });
      return performance.now() - started;
    };
    await time(1_000);
    await time(100_000);
    console.log("ended");`);
  expect(output).toBe("ended\n");
});
