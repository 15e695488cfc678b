/** The `AbortSignal` of a scope. */
import {
  type Cancelled,
  CancelScope,
  cancelSignal,
  currentTask,
  isCancelled,
  moveOnAfter,
} from "@anyloop/core";
import { checkpoint, checkpointIfCancelled } from "@anyloop/core/lowlevel";
import { expect } from "vitest";
import { each, eachAsync } from "./each.ts";

each("a scope's signal is aborted with the Cancelled, also when made late", function* () {
  const scope = new CancelScope();
  yield* scope.run(function* () {
    const signal = cancelSignal();
    expect(signal).toBe(scope.signal);
    expect(signal.aborted).toBe(false);
    scope.cancel("why");
    expect(signal.aborted).toBe(true);
    expect((signal.reason as Cancelled).reason).toBe("why");
    expect(currentTask().status).toBe("running");
    yield* checkpointIfCancelled();
  });
  yield* moveOnAfter(0, () => expect(cancelSignal().aborted).toBe(true));
});

each("an enclosing cancel aborts the signal of an inner scope, not that of a shield", function* () {
  const outer = new CancelScope();
  yield* outer.run(function* () {
    const inner = new CancelScope();
    const hidden = new CancelScope({ shield: true });
    yield* inner.run(() =>
      hidden.run(function* () {
        const signals = [inner.signal, hidden.signal];
        outer.cancel();
        expect(signals.map((signal) => signal.aborted)).toEqual([true, false]);
        yield* checkpoint();
      }),
    );
  });
});

eachAsync("cancelSignal in async style is aborted with its scope, once", async () => {
  let aborts = 0;
  const scope = new CancelScope();
  await scope.run(async () => {
    const signal = cancelSignal();
    signal.addEventListener("abort", () => aborts++);
    expect(cancelSignal().aborted).toBe(false);
    scope.cancel("why");
    scope.cancel("again");
    expect(isCancelled(signal.reason)).toBe(true);
    await checkpoint().catch(() => {});
  });
  expect(aborts).toBe(1);
  expect(scope.reason).toBe("why");
});

each("the signal of a scope that was left is not aborted afterwards", function* () {
  const outer = new CancelScope();
  const inner = new CancelScope({ shield: true });
  const { signal } = inner;
  yield* outer.run(function* () {
    yield* inner.run(checkpoint());
    outer.cancel();
    inner.shield = false;
  });
  expect(signal.aborted).toBe(false);
});
