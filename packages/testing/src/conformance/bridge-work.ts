/** The rules of bridges that let an operation wait for foreign work. */
import {
  type Body,
  CancelScope,
  type Coroutine,
  isCancelled,
  type Operation,
  shield,
  type Task,
  type TaskGroup,
  taskGroup,
} from "@anyloop/core";
import { hasCrossed, onBridge, settleTurns } from "./bridge-help.ts";
import type { WorkBridge } from "./bridges.ts";
import { check, checkSame, startWaiting } from "./check.ts";
import type { Rule } from "./suite.ts";

/** What came of the work: its value, or what it threw. */
function* outcomeOf(work: Operation<string>): Coroutine<unknown> {
  try {
    return yield* work;
  } catch (error) {
    return error;
  }
}

/** Starts waiting for the work, cancels, and gives the task, which is to wait for the real end. */
function* cancelled({ operation, foreign }: WorkBridge, group: TaskGroup): Coroutine<Task<unknown>> {
  const task = yield* startWaiting(group, () => outcomeOf(operation));
  yield* settleTurns();
  check(!foreign.isToldToStop(), "The work was told to stop before anybody was cancelled.");
  task.cancel();
  yield* settleTurns();
  check(foreign.isToldToStop(), "The work was not told to stop.");
  check(task.status === "cancelling", `The task is ${task.status} though the work has not ended.`);
  return task;
}

const rules: readonly { readonly rule: string; body(bridge: WorkBridge): Coroutine<void> }[] = [
  {
    rule: "the value of foreign work is the operation's, and nothing of the bridge is left there",
    *body({ operation, foreign }) {
      yield* taskGroup(function* (group) {
        const task = yield* startWaiting(group, () => outcomeOf(operation));
        foreign.succeed("value");
        checkSame(yield* task.join(), "value", "What the operation gave");
      });
      checkSame(foreign.listeners(), 0, "Listeners after the end");
    },
  },
  {
    rule: "the error of foreign work is thrown as itself",
    *body({ operation, foreign }) {
      const boom = new Error("the work failed");
      yield* taskGroup(function* (group) {
        const task = yield* startWaiting(group, () => outcomeOf(operation));
        foreign.fail(boom);
        check(
          hasCrossed(foreign, yield* task.join(), boom),
          "The operation did not throw the error of the work.",
        );
      });
      checkSame(foreign.listeners(), 0, "Listeners after a failure");
    },
  },
  {
    rule: "cancelling tells foreign work to stop and waits for its real end",
    *body(bridge) {
      yield* taskGroup(function* (group) {
        const task = yield* cancelled(bridge, group);
        bridge.foreign.stop();
        yield* task.wait();
        check(
          isCancelled(task.value),
          `The operation gave ${String(task.value)} instead of the cancellation.`,
        );
      });
      checkSame(bridge.foreign.listeners(), 0, "Listeners after the work was stopped");
    },
  },
  {
    rule: "a value that comes though the work was told to stop wins, unless the foreign world drops it",
    *body(bridge) {
      yield* taskGroup(function* (group) {
        const task = yield* cancelled(bridge, group);
        bridge.foreign.succeed("late");
        yield* task.wait();
        if (bridge.foreign.givesLateValues === false) {
          check(isCancelled(task.value), `The operation gave ${String(task.value)}.`);
        } else {
          checkSame(task.value, "late", "What the operation gave");
        }
      });
    },
  },
  {
    rule: "a failure of work that was told to stop is thrown, not swallowed",
    *body(bridge) {
      const boom = new Error("could not stop");
      yield* taskGroup(function* (group) {
        const task = yield* cancelled(bridge, group);
        bridge.foreign.fail(boom);
        yield* task.wait();
        check(
          hasCrossed(bridge.foreign, task.value, boom),
          `The operation gave ${String(task.value)} instead of the failure.`,
        );
      });
    },
  },
  {
    rule: "under a shield foreign work is not told to stop",
    *body({ operation, foreign }) {
      const scope = new CancelScope();
      yield* taskGroup(function* (group) {
        const task = yield* startWaiting(
          group,
          scope.run(() => shield(operation)),
        );
        scope.cancel();
        yield* settleTurns();
        check(!foreign.isToldToStop(), "The work was told to stop in spite of the shield.");
        foreign.succeed("value");
        checkSame(yield* task.join(), "value", "What the operation gave");
      });
    },
  },
];

export function workRules(make: Body<WorkBridge, [group: TaskGroup]>): Rule[] {
  return onBridge(make, rules);
}
