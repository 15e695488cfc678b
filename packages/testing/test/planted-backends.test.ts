/** Backends with a bug each: the suite of backends names the rule that the bug breaks. */
import { type Backend, type Loop, type Runnable, type Timer } from "@anyloop/core/lowlevel";
import { native } from "@anyloop/native";
import { backendConformance, ConformanceError } from "@anyloop/testing";
import { expect, test } from "vitest";

type LoopOptions = Parameters<Backend["open"]>[0];

/** A backend whose loops are those of native, but for something. */
function changed(change: (loop: Loop, options: LoopOptions) => Partial<Loop>): () => Backend {
  return () => {
    const backend = native();
    return {
      name: "changed",
      open(options) {
        const loop = backend.open(options);
        return {
          now: () => loop.now(),
          isIdle: false,
          schedule: (runnable) => loop.schedule(runnable),
          callAt: (deadline, timer, order) => loop.callAt(deadline, timer, order),
          hold: () => loop.hold(),
          release: () => loop.release(),
          close: () => loop.close(),
          ...change(loop, options),
        };
      },
    };
  };
}

/** Timers of the host's own, as a simple backend would take them. */
function hostTimers(loop: Loop, { enter }: LoopOptions, clear: typeof clearTimeout): Partial<Loop> {
  return {
    callAt(deadline, timer) {
      const handle = setTimeout(
        () => enter(() => timer.expired()),
        Math.max(0, Math.ceil(deadline - loop.now())),
      );
      return { cancel: () => clear(handle) };
    },
  };
}

/** The runnable that is scheduled last takes its step first. */
function lastInFirstOut(loop: Loop): Partial<Loop> {
  const stack: Runnable[] = [];
  const next = { task: undefined, step: () => stack.pop()?.step() };
  return {
    schedule(runnable) {
      stack.push(runnable);
      loop.schedule(next);
    },
  };
}

/** One that was scheduled before is not scheduled again. */
function onceOnly(loop: Loop): Partial<Loop> {
  const known = new WeakSet<Runnable>();
  return {
    schedule(runnable) {
      if (known.has(runnable)) return;
      known.add(runnable);
      loop.schedule(runnable);
    },
  };
}

/** Looks at what is ready only after a timer, or a step, of its own. */
function deafToTheHost(loop: Loop, { enter }: LoopOptions): Partial<Loop> {
  const ready: Runnable[] = [];
  let isAwake = false;
  const drain = (): void => {
    isAwake = true;
    queueMicrotask(() => {
      enter(() => {
        for (let next = ready.shift(); next !== undefined; next = ready.shift()) next.step();
      });
      isAwake = false;
    });
  };
  let begun = false;
  return {
    schedule(runnable) {
      ready.push(runnable);
      if (!begun) drain();
      begun = true;
    },
    callAt: (deadline, timer: Timer, order) =>
      loop.callAt(
        deadline,
        {
          expired() {
            timer.expired();
            if (!isAwake) drain();
          },
        },
        order,
      ),
  };
}

const noChange = (): void => {};

type Saboteur = readonly [bug: string, makeBackend: () => Backend, rule: string];

const saboteurs: readonly Saboteur[] = [
  [
    "takes steps inside schedule()",
    changed((_, { enter }) => ({ schedule: (runnable) => enter(() => runnable.step()) })),
    "a step is never taken inside schedule(): not in the open, not in a step, not in a timer",
  ],
  [
    "never lets the host have its turn",
    changed((_, { enter }) => ({
      schedule: (runnable) => queueMicrotask(() => enter(() => runnable.step())),
    })),
    "steps without end leave the host its turn, so that its timers fire",
  ],
  [
    "goes on after close()",
    changed(() => ({ close: noChange })),
    "after close() no step is taken and no timer fires, whatever was ready or set",
  ],
  [
    "fires its timers too soon",
    changed((loop) => ({ callAt: (deadline, timer, order) => loop.callAt(deadline - 10, timer, order) })),
    "the clock never goes back, and no timer fires before its deadline",
  ],
  [
    "takes the last step first",
    changed(lastInFirstOut),
    "steps are taken in the order in which they were scheduled, those scheduled by steps last",
  ],
  [
    "runs its timers outside enter()",
    changed((loop) => ({
      callAt(deadline, timer) {
        const handle = setTimeout(() => timer.expired(), Math.max(0, deadline - loop.now()));
        return { cancel: () => clearTimeout(handle) };
      },
    })),
    "every step and every timer runs inside enter()",
  ],
  ["says that it is idle", changed(() => ({ isIdle: true })), "a loop is not idle while a step is ready"],
  [
    "knows no operations",
    changed((loop) => ({ callAt: (deadline, timer) => loop.callAt(deadline, timer, "deadline") })),
    "of what is due in one turn operations come before deadlines",
  ],
  [
    "leaves the order of its timers to the host",
    changed((loop, options) => hostTimers(loop, options, clearTimeout)),
    "what is overdue fires in order of the deadlines, operations first",
  ],
  [
    "cannot cancel its timers",
    changed((loop, options) => hostTimers(loop, options, noChange)),
    "a cancelled timer never fires, and cancelling after it fired, or twice, does nothing",
  ],
  [
    "knows no times beyond those of the host",
    changed((loop, options) => hostTimers(loop, options, clearTimeout)),
    "a timer that is further away than the host's timers reach does not fire at once",
  ],
  [
    "fires at once what is overdue",
    changed((loop) => ({
      callAt(deadline, timer, order) {
        if (deadline > loop.now()) return loop.callAt(deadline, timer, order);
        timer.expired();
        return { cancel: noChange };
      },
    })),
    "a deadline that has passed fires soon, and never inside callAt()",
  ],
];

/** They hang, which the suite waits for. */
const hanging: readonly Saboteur[] = [
  [
    "schedules a runnable once only",
    changed(onceOnly),
    "one runnable may be scheduled again from its own step",
  ],
  [
    "does not hear the host",
    changed(deafToTheHost),
    "a call from the host wakes a loop that has nothing to do",
  ],
];

async function isFound([, makeBackend, rule]: Saboteur): Promise<void> {
  const found = backendConformance(makeBackend).find(({ name }) => name.startsWith(`${rule} [`));
  const error: unknown = await found?.perform().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(ConformanceError);
  expect((error as ConformanceError).rule).toBe(rule);
}

for (const saboteur of saboteurs) test(`one that ${saboteur[0]}`, () => isFound(saboteur));

test(`one that ${hanging.map(([bug]) => bug).join(", and one that ")}`, async () => {
  await Promise.all(hanging.map(isFound));
});
