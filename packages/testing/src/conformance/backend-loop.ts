/** The rules of a backend's loop, taken by itself: steps, timers, turns of the host and the end. */
import type { Backend, Loop } from "@anyloop/core/lowlevel";
import { check, checkSame } from "./check.ts";

/** A rule, tried on a fresh backend. */
export interface BackendRule {
  readonly rule: string;
  readonly isAsync?: boolean | undefined;
  readonly perform: (backend: Backend) => Promise<void>;
}

/** A loop, opened as a run does it. */
class Probe {
  readonly loop: Loop;
  /** Whether the code that runs does so inside `enter`. */
  isInside = false;

  constructor(backend: Backend) {
    this.loop = backend.open({
      enter: (drain) => {
        const before = this.isInside;
        this.isInside = true;
        drain();
        this.isInside = before;
      },
      deadlocked: () => {},
    });
  }

  now(): number {
    return this.loop.now();
  }

  /** A step of no task keeps its place whatever a seed does. */
  schedule(step: () => void, task?: object): void {
    this.loop.schedule({ task, step });
  }

  at(deadline: number, expired: () => void, order: "operation" | "deadline" = "operation"): () => void {
    const handle = this.loop.callAt(deadline, { expired }, order);
    return () => handle.cancel();
  }

  /** Once a timer of so many milliseconds has expired. */
  async pass(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => void this.at(this.now() + milliseconds, resolve));
  }

  /** Once every step that is ready by now has been taken. */
  async drained(): Promise<void> {
    await new Promise<void>((resolve) => this.schedule(resolve));
  }
}

/** A rule about one loop, which is closed afterwards. */
function onLoop(rule: string, perform: (probe: Probe) => Promise<void>): BackendRule {
  return {
    rule,
    async perform(backend) {
      const probe = new Probe(backend);
      try {
        await perform(probe);
      } finally {
        probe.loop.close();
      }
    },
  };
}

// Those of the host, should a test replace them.
const { setTimeout, clearTimeout } = globalThis;

/** Settles after so many milliseconds of the host. */
async function hostTime(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function stepRules(keepsOrder: boolean): BackendRule[] {
  return [
    onLoop(
      "a step is never taken inside schedule(): not in the open, not in a step, not in a timer",
      async (probe) => {
        const inside: string[] = [];
        const scheduleFrom = (place: string): void => {
          let isScheduling = true;
          probe.schedule(() => {
            if (isScheduling) inside.push(place);
          });
          isScheduling = false;
        };
        scheduleFrom("in the open");
        probe.schedule(() => scheduleFrom("in a step"));
        probe.at(probe.now() + 1, () => scheduleFrom("in a timer"));
        await probe.pass(2);
        await probe.drained();
        checkSame(inside, [], "Places where schedule() took the step at once");
      },
    ),
    onLoop(
      "steps are taken in the order in which they were scheduled, those scheduled by steps last",
      async (probe) => {
        const order: number[] = [];
        const note = (step: number): void => void order.push(step);
        const tasks = [{}, {}, {}];
        for (const step of [0, 1, 2]) {
          const take = (): void => {
            note(step);
            probe.schedule(() => note(step + 3));
          };
          probe.schedule(take, keepsOrder ? tasks[step] : undefined);
        }
        await probe.drained();
        await probe.drained();
        checkSame(order, [0, 1, 2, 3, 4, 5], "The order of the steps");
      },
    ),
    onLoop("one runnable may be scheduled again from its own step", async (probe) => {
      let left = 100;
      await new Promise<void>((resolve) => {
        const again = { task: {}, step: (): void => (--left > 0 ? probe.loop.schedule(again) : resolve()) };
        probe.loop.schedule(again);
      });
    }),
    onLoop("every step and every timer runs inside enter()", async (probe) => {
      const outside: string[] = [];
      const note = (what: string) => () => void (probe.isInside || outside.push(what));
      probe.schedule(note("a step of a task"), {});
      probe.schedule(note("a step of no task"));
      probe.at(probe.now(), note("a timer"), "deadline");
      await probe.pass(2);
      await probe.drained();
      checkSame(outside, [], "What ran outside enter()");
      check(!probe.isInside, "enter() was not left.");
    }),
    onLoop("a loop is not idle while a step is ready", async (probe) => {
      probe.schedule(() => {});
      check(!probe.loop.isIdle, "isIdle is true though a step is ready.");
      await probe.drained();
    }),
    onLoop("a call from the host wakes a loop that has nothing to do", async (probe) => {
      await probe.drained();
      await hostTime(2);
      await new Promise<void>((resolve) => setTimeout(() => probe.schedule(resolve), 0));
    }),
    onLoop("steps without end leave the host its turn, so that its timers fire", async (probe) => {
      let fired = false;
      const timer = setTimeout(() => (fired = true), 1);
      const started = performance.now();
      await new Promise<void>((resolve) => {
        const again = {
          task: {},
          step: (): void =>
            fired || performance.now() > started + 500 ? resolve() : probe.loop.schedule(again),
        };
        probe.loop.schedule(again);
      });
      clearTimeout(timer);
      check(fired, "No timer of the host fired within 500 ms of steps.");
    }),
  ];
}

const timerRules: readonly BackendRule[] = [
  onLoop("the clock never goes back, and no timer fires before its deadline", async (probe) => {
    let last = probe.now();
    for (const milliseconds of [0.3, 1, 1.7, 3, 20]) {
      const deadline = probe.now() + milliseconds;
      await new Promise<void>((resolve) => void probe.at(deadline, resolve));
      check(
        probe.now() >= deadline,
        `A timer fired ${String(deadline - probe.now())} ms before its deadline.`,
      );
      check(probe.now() >= last, "The clock went back.");
      last = probe.now();
    }
  }),
  onLoop(
    "timers fire in order of their deadlines, those of one deadline in order of registration",
    async (probe) => {
      const order: string[] = [];
      const start = probe.now();
      for (const milliseconds of [9, 3, 6]) {
        for (const name of ["a", "b"]) {
          probe.at(start + milliseconds, () => void order.push(`${String(milliseconds)}${name}`));
        }
      }
      await probe.pass(15);
      checkSame(order, ["3a", "3b", "6a", "6b", "9a", "9b"], "The order of the timers");
    },
  ),
  onLoop("timers less than a millisecond apart keep their order", async (probe) => {
    const order: number[] = [];
    const start = probe.now();
    for (const tenths of [29, 21, 25, 23]) {
      probe.at(start + tenths / 10, () => void order.push(tenths));
    }
    await probe.pass(10);
    checkSame(order, [21, 23, 25, 29], "The order of the timers");
  }),
  onLoop("what is overdue fires in order of the deadlines, operations first", async (probe) => {
    const order: string[] = [];
    const start = probe.now();
    for (const ago of [1, 2, 3]) {
      probe.at(start - ago, () => void order.push(`deadline ${String(ago)}`), "deadline");
      probe.at(start - ago, () => void order.push(`operation ${String(ago)}`));
    }
    await probe.pass(1);
    const operations = ["operation 3", "operation 2", "operation 1"];
    checkSame(order, [...operations, "deadline 3", "deadline 2", "deadline 1"], "The order of the timers");
  }),
  onLoop("of what is due in one turn operations come before deadlines", async (probe) => {
    const order: string[] = [];
    const start = probe.now();
    probe.at(start + 2, () => void order.push("deadline"), "deadline");
    probe.at(start + 2, () => void order.push("operation"));
    await probe.pass(10);
    checkSame(order, ["operation", "deadline"], "The order of the timers");
  }),
  onLoop("a deadline that has passed fires soon, and never inside callAt()", async (probe) => {
    for (const order of ["operation", "deadline"] as const) {
      let isCalling = true;
      let firedInside = false;
      const fired = new Promise<void>((resolve) => {
        probe.at(
          probe.now() - 5,
          () => {
            firedInside = isCalling;
            resolve();
          },
          order,
        );
      });
      isCalling = false;
      await fired;
      check(!firedInside, "A timer fired inside callAt().");
    }
  }),
  onLoop(
    "a cancelled timer never fires, and cancelling after it fired, or twice, does nothing",
    async (probe) => {
      let fired = 0;
      const cancels = [1, 2, 3].map((milliseconds) => probe.at(probe.now() + milliseconds, () => fired++));
      cancels[1]?.();
      cancels[1]?.();
      // One that is due in the same turn is cancelled by the one before it.
      const deadline = probe.now() + 4;
      let cancelSecond = (): void => {};
      probe.at(deadline, () => cancelSecond());
      cancelSecond = probe.at(deadline, () => (fired += 100));
      await probe.pass(10);
      for (const cancel of cancels) cancel();
      await probe.pass(1);
      checkSame(fired, 2, "Timers that fired");
    },
  ),
  onLoop("a timer that is further away than the host's timers reach does not fire at once", async (probe) => {
    let fired = false;
    const cancel = probe.at(probe.now() + 3_000_000_000, () => (fired = true));
    await probe.pass(2);
    check(!fired, "A timer of 3 000 000 000 ms fired.");
    cancel();
  }),
  onLoop("many timers, set and cancelled in any order, fire once each and in order", async (probe) => {
    const start = probe.now();
    const fired: number[] = [];
    const due: number[] = [];
    for (let index = 0; index < 300; index++) {
      const milliseconds = (index * 7919) % 20;
      const cancel = probe.at(start + milliseconds, () => void fired.push(milliseconds));
      if (index % 3 === 0) cancel();
      else due.push(milliseconds);
    }
    await probe.pass(40);
    checkSame(
      fired,
      due.toSorted((a, b) => a - b),
      "The timers that fired",
    );
  }),
  onLoop("hold() and release() count, and leave timers and steps working", async (probe) => {
    probe.loop.hold();
    probe.loop.hold();
    await probe.drained();
    probe.loop.release();
    probe.loop.release();
    await probe.pass(1);
  }),
];

const endRules: readonly BackendRule[] = [
  onLoop("after close() no step is taken and no timer fires, whatever was ready or set", async (probe) => {
    let after = 0;
    probe.schedule(() => after++, {});
    probe.at(probe.now() + 1, () => after++);
    probe.at(probe.now(), () => after++, "deadline");
    probe.loop.close();
    probe.schedule(() => after++);
    await hostTime(10);
    checkSame(after, 0, "Steps and timers after close()");
  }),
  onLoop("close() in a step ends the drain", async (probe) => {
    let after = 0;
    probe.schedule(() => probe.loop.close());
    probe.schedule(() => after++);
    await hostTime(5);
    checkSame(after, 0, "Steps after close()");
  }),
  {
    rule: "two loops of one backend take turns, and closing one leaves the other alone",
    async perform(backend) {
      const [one, other] = [new Probe(backend), new Probe(backend)];
      let spinning = true;
      const spin = { task: {}, step: (): void => void (spinning && one.loop.schedule(spin)) };
      one.loop.schedule(spin);
      for (let turn = 0; turn < 10; turn++) await other.drained();
      spinning = false;
      one.loop.close();
      await other.drained();
      await other.pass(1);
      other.loop.close();
    },
  },
];

/** All of them. A loop that shuffles keeps the order only of what belongs to no task. */
export function loopRules(keepsOrder: boolean): BackendRule[] {
  return [...stepRules(keepsOrder), ...timerRules, ...endRules];
}
