/** The rules of a backend that show in a run: that its tasks, deadlines and ends are what core promises. */
import {
  CancelScope,
  currentTask,
  Event,
  failAfter,
  fromPromise,
  InternalError,
  moveOnAfter,
  now,
  type Operation,
  run,
  shield,
  sleep,
  sleepForever,
  sleepUntil,
  taskGroup,
  TimeoutError,
} from "@anyloop/core";
import {
  type Backend,
  checkpoint,
  checkpointIfCancelled,
  hostTurn,
  suspend,
  suspendOnHost,
} from "@anyloop/core/lowlevel";
import type { BackendRule } from "./backend-loop.ts";
import { check, checkError, checkSame, thrownBy } from "./check.ts";
import { waitAllTasksBlocked } from "../wait-all-tasks-blocked.ts";

// Those of the host, should a test replace them.
const { setTimeout } = globalThis;

/** A rule about the body of one run. */
function inRun(rule: string, body: () => unknown, isAsync = false): BackendRule {
  return {
    rule,
    isAsync,
    async perform(backend) {
      await run(body, { backend });
    },
  };
}

/** What the promise was rejected with. */
async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("The run ended without an error.");
}

async function hostTime(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** A message that comes in time; then the host is busy until the time (of its own clock) is over. */
function lastMinuteMessage(milliseconds: number): Operation<string> {
  const deadline = performance.now() + milliseconds;
  return suspendOnHost<string>((waiter) => {
    const { port1, port2 } = new MessageChannel();
    port2.onmessage = () => {
      port2.close();
      waiter.resume("came");
    };
    hostTurn(() => {
      port1.postMessage("");
      // Too late for the try, on a machine that is busy enough by itself.
      if (performance.now() >= deadline) port2.onmessage?.(new MessageEvent("message"));
      while (performance.now() <= deadline);
    });
    return () => {
      port2.close();
      return true;
    };
  });
}

const structureRules: readonly BackendRule[] = [
  {
    rule: "a run gives the value of its body, and throws its error as the same object",
    async perform(backend) {
      checkSame(await run(() => 42, { backend }), 42, "The value");
      const boom = new Error("boom");
      const failing = function* (): Generator<never, void> {
        throw boom;
      };
      check((await rejection(run(failing, { backend }))) === boom, "Another error was thrown.");
    },
  },
  inRun("tasks sleep side by side, none too short, and a group waits for all", function* () {
    const start = now();
    const woken: number[] = [];
    yield* taskGroup((group) => {
      for (const milliseconds of [6, 2, 4]) {
        group.startSoon(function* () {
          yield* sleep(milliseconds);
          check(now() >= start + milliseconds, `A sleep of ${String(milliseconds)} ms was shorter.`);
          woken.push(milliseconds);
        });
      }
    });
    checkSame(woken.toSorted(), [2, 4, 6], "Those that woke");
  }),
  inRun("a failing task cancels its siblings, whose clean-up under a shield runs to its end", function* () {
    const steps: string[] = [];
    const boom = new RangeError("boom");
    const failing = taskGroup(function* (group) {
      group.startSoon(function* () {
        try {
          yield* sleepForever();
        } finally {
          yield* shield(sleep(1));
          steps.push("cleaned up");
        }
      });
      yield* waitAllTasksBlocked();
      throw boom;
    });
    check((yield* thrownBy(failing, "The group")) === boom, "Another error was thrown.");
    checkSame(steps, ["cleaned up"], "What was done before the group ended");
  }),
  inRun("a deadline cancels what it encloses, once, and nothing else", function* () {
    checkError(yield* thrownBy(failAfter(2, sleepForever()), "failAfter"), TimeoutError, "failAfter");
    checkSame(yield* moveOnAfter(2, sleep(10_000_000)), undefined, "What moveOnAfter gave");
    checkSame(yield* moveOnAfter(10_000_000, () => 1), 1, "What work in time gave");
  }),
  inRun("what is due together with a deadline completes", function* () {
    const deadline = now() + 3;
    const scope = new CancelScope({ deadline });
    const value = yield* scope.run(function* () {
      yield* sleepUntil(deadline);
      return "completed";
    });
    checkSame(value, "completed", "What the scope gave");
  }),
  inRun("what comes in time is not cancelled by a deadline that is seen at once with it", function* () {
    checkSame(yield* moveOnAfter(20, lastMinuteMessage(25)), "came", "What moveOnAfter gave");
  }),
  inRun(
    "async bodies work as generator bodies do",
    async () => {
      const ended: string[] = [];
      await taskGroup(async (group) => {
        group.startSoon(async () => {
          await sleep(3);
          ended.push("sleeper");
        });
        group.startSoon(async () => {
          await Promise.resolve();
          await checkpoint();
          ended.push("walker");
        });
      });
      checkSame(ended.toSorted(), ["sleeper", "walker"], "Those that ended");
      check(currentTask().status === "running", "The task of the body is not running.");
    },
    true,
  ),
  inRun("a foreign promise is waited for, and its wait can be cancelled", function* () {
    checkSame(yield* fromPromise(hostTime(5).then(() => "value")), "value", "What the promise gave");
    yield* moveOnAfter(1, fromPromise(hostTime(20)));
  }),
  inRun("calls from host callbacks are served, and cannot starve tasks", function* () {
    const order: number[] = [];
    const events = [new Event(), new Event(), new Event()];
    let spinning = true;
    const spin = (): void => void (spinning && setTimeout(spin, 0));
    spin();
    yield* taskGroup(function* (group) {
      for (const [index, event] of events.entries()) {
        group.startSoon(function* () {
          yield* event.wait();
          order.push(index);
        });
      }
      yield* waitAllTasksBlocked();
      setTimeout(() => {
        for (const index of [1, 2, 0]) {
          events[index]?.set();
        }
      }, 0);
      // The host owes us this call: a virtual clock is to know it.
      yield* fromPromise(hostTime(5));
    });
    for (let turn = 0; turn < 1000; turn++) yield* checkpoint();
    spinning = false;
    checkSame(order.toSorted(), [0, 1, 2], "Those that were woken");
  }),
];

/** An event that a host timer sets. */
function alarm(milliseconds: number): Event {
  const event = new Event();
  setTimeout(() => event.set(), milliseconds);
  return event;
}

const livenessRules: readonly BackendRule[] = [
  inRun("no loop of operations can freeze the process", function* () {
    const stop = alarm(5);
    yield* taskGroup((group) => {
      group.startSoon(function* () {
        while (!stop.isSet) yield* checkpointIfCancelled();
      });
      group.startSoon(
        new CancelScope().run(function* (scope) {
          scope.cancel();
          while (!stop.isSet) yield* thrownBy(sleepForever(), "A cancelled sleep");
        }),
      );
      group.startSoon(function* () {
        while (!stop.isSet) yield* shield(() => {});
      });
    });
  }),
  inRun(
    "no loop of operations can freeze the process, async style",
    async () => {
      const stop = alarm(5);
      await taskGroup(async (group) => {
        group.startSoon(async () => {
          while (!stop.isSet) await checkpointIfCancelled();
        });
        group.startSoon(async () => {
          await new CancelScope().run(async (scope) => {
            scope.cancel();
            while (!stop.isSet) await sleep(1).catch(() => {});
          });
        });
        await stop.wait();
      });
    },
    true,
  ),
  inRun("two tasks that pass the turn for ever leave timers alive", function* () {
    const stop = alarm(5);
    yield* taskGroup((group) => {
      for (let task = 0; task < 2; task++) {
        group.startSoon(function* () {
          while (!stop.isSet) yield* checkpoint();
        });
      }
    });
  }),
  {
    rule: "many runs of one backend are under way at once, and each comes to its own end",
    async perform(backend) {
      const values = await Promise.all(
        [4, 1, 3, 2].map((milliseconds) =>
          run(
            function* () {
              yield* sleep(milliseconds);
              return milliseconds;
            },
            { backend },
          ),
        ),
      );
      checkSame(values, [4, 1, 3, 2], "The values of the runs");
    },
  },
];

async function endsOnAbort(backend: Backend): Promise<void> {
  const controller = new AbortController();
  let cleaned = false;
  const running = run(
    function* () {
      try {
        controller.abort(new RangeError("enough"));
        yield* sleepForever();
      } finally {
        yield* shield(sleep(1));
        cleaned = true;
      }
    },
    { backend, signal: controller.signal },
  );
  check((await rejection(running)) === controller.signal.reason, "Another error was thrown.");
  check(cleaned, "The run ended before its clean-up.");
}

async function endsAtOnceWhenCrashed(backend: Backend): Promise<void> {
  let steps = 0;
  const scope = new CancelScope();
  const go = new Event();
  const crashed = run(
    function* () {
      yield* taskGroup(function* (group) {
        const stubborn = suspend(() => () => {
          throw new Error("a broken abort function");
        });
        group.startSoon(scope.run(stubborn));
        group.startSoon(sleep(100_000));
        group.startSoon(function* () {
          yield* go.wait();
          steps++;
        });
        // Held, so that a virtual clock does not jump to the sleep.
        yield* fromPromise(hostTime(50));
      });
    },
    { backend },
  );
  setTimeout(() => {
    go.set();
    scope.cancel();
  }, 5);
  checkError(await rejection(crashed), InternalError, "A run whose machinery failed");
  await hostTime(5);
  checkSame(steps, 0, "Steps after the end");
}

const endRules: readonly BackendRule[] = [
  {
    rule: "an aborted run rejects with the reason after everything in it has ended",
    perform: endsOnAbort,
  },
  {
    rule: "a run that crashed takes no further step, and leaves nothing in its loop",
    perform: endsAtOnceWhenCrashed,
  },
];

export const runRules: readonly BackendRule[] = [...structureRules, ...livenessRules, ...endRules];
