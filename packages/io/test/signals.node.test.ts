/** Signals that this very process sends itself. */
import { once } from "node:events";
import {
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  fromPromise,
  type ObjectReceiveStream,
  run,
  shield,
  taskGroup,
  use,
  UsageError,
} from "@anyloop/core";
import { kernel } from "@anyloop/kernel";
import { signals } from "@anyloop/io";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, test } from "vitest";
import { caught, each, eachUnless } from "./each.ts";
import { noPrograms, runProgram } from "./program.ts";

const raise = (signal: NodeJS.Signals): void => void process.kill(process.pid, signal);

/** Raises a signal and waits until this process has heard of it. */
function* raised(signal: NodeJS.Signals): Coroutine<void> {
  const heard = once(process, signal);
  raise(signal);
  yield* fromPromise(heard);
}

each("signals come in the order in which they arrived, and handlers are restored", function* () {
  const before = process.listenerCount("SIGUSR2");
  yield* use(signals("SIGUSR2", "SIGHUP"), function* (received) {
    expect(process.listenerCount("SIGUSR2")).toBe(before + 1);
    raise("SIGUSR2");
    expect(yield* received.receive()).toBe("SIGUSR2");
    raise("SIGHUP");
    expect(yield* received.receive()).toBe("SIGHUP");
  });
  expect([process.listenerCount("SIGUSR2"), process.listenerCount("SIGHUP")]).toEqual([before, 0]);
});

each("a signal that came before anybody waited is kept, once", function* () {
  yield* use(signals("SIGUSR2", "SIGHUP"), function* (received) {
    yield* raised("SIGUSR2");
    yield* raised("SIGUSR2");
    yield* raised("SIGHUP");
    expect(yield* received.receive()).toBe("SIGUSR2");
    expect(yield* received.receive()).toBe("SIGHUP");
    yield* taskGroup(function* (group) {
      const third = group.startSoon(received.receive());
      yield* waitAllTasksBlocked();
      expect(third.status).toBe("running");
      third.cancel();
    });
  });
});

each("every receiver gets it", function* () {
  yield* use(signals("SIGUSR2"), (first) =>
    use(signals("SIGUSR2"), function* (second) {
      raise("SIGUSR2");
      expect([yield* first.receive(), yield* second.receive()]).toEqual(["SIGUSR2", "SIGUSR2"]);
    }),
  );
});

each("a cancelled receive loses nothing", function* () {
  yield* use(signals("SIGUSR2"), function* (received) {
    yield* taskGroup(function* (group) {
      const waiting = group.startSoon(received.receive());
      yield* waitAllTasksBlocked();
      raise("SIGUSR2");
      waiting.cancel();
      yield* waiting.wait();
      // Cancelled before the host told us.
      expect(waiting.status).toBe("cancelled");
    });
    const scope = new CancelScope();
    scope.cancel();
    yield* scope.run(received.receive());
    expect(yield* shield(received.receive())).toBe("SIGUSR2");
  });
});

each("close wakes who waits, also when it is cancelled; twice is once", function* () {
  const received = signals("SIGUSR2");
  yield* taskGroup(function* (group) {
    const waiting = group.startSoon(caught(received.receive()));
    yield* waitAllTasksBlocked();
    const scope = new CancelScope();
    scope.cancel();
    yield* scope.run(received.close());
    expect(scope.cancelledCaught).toBe(true);
    expect(yield* waiting.join()).toBeInstanceOf(ClosedResourceError);
  });
  yield* received.close();
  expect(process.listenerCount("SIGUSR2")).toBe(0);
  expect(yield* caught(received.receive())).toBeInstanceOf(ClosedResourceError);
});

eachUnless(
  "Deno" in globalThis,
  "Deno may tell of it too late",
  "a signal that arrives while its receiver closes is not lost: another listener has it",
  function* () {
    let heard = 0;
    const listener = (): void => void heard++;
    process.on("SIGUSR2", listener);
    try {
      yield* use(signals("SIGUSR2"), function* () {
        raise("SIGUSR2");
      });
      expect(heard).toBe(1);
    } finally {
      process.off("SIGUSR2", listener);
    }
  },
);

each("a signal that arrives while its receiver closes is not lost: another receiver has it", function* () {
  yield* use(signals("SIGUSR2"), function* (outer) {
    yield* use(signals("SIGUSR2"), function* () {
      raise("SIGUSR2");
    });
    expect(yield* outer.receive()).toBe("SIGUSR2");
  });
});

each("two signals that come all the time take turns", function* () {
  yield* use(signals("SIGUSR2", "SIGHUP"), function* (received) {
    const got: string[] = [];
    for (let turn = 0; turn < 6; turn++) {
      yield* raised("SIGUSR2");
      yield* raised("SIGHUP");
      got.push(yield* received.receive());
    }
    expect(got).toEqual(["SIGUSR2", "SIGHUP", "SIGUSR2", "SIGHUP", "SIGUSR2", "SIGHUP"]);
    // Not left behind: it would end this process.
    expect(yield* received.receive()).toBe("SIGUSR2");
  });
});

test.skipIf(noPrograms !== undefined || "Deno" in globalThis)(
  "a signal that was heard and not taken does what it always does once the receiver is closed [Deno may tell of it too late]",
  async () => {
    const ended = await runProgram("untaken-signal.ts", []);
    expect(ended).toEqual({ stdout: "heard, not taken\n", stderr: "", exitCode: null, signal: "SIGTERM" });
  },
);

test("what is no signal, or none that can be received, is refused and leaves nothing behind", () => {
  expect(() => signals()).toThrow(UsageError);
  expect(() => signals("SIGNOTHING" as "SIGINT")).toThrow(/There is no signal "SIGNOTHING"/);
  expect(() => signals("SIGUSR2", "SIGKILL")).toThrow(UsageError);
  expect([process.listenerCount("SIGUSR2"), process.listenerCount("SIGKILL")]).toEqual([0, 0]);
});

test("async style: for await, left by break, leaves it open", async () => {
  await run(
    async () => {
      await using received: ObjectReceiveStream<NodeJS.Signals> = signals("SIGUSR2");
      raise("SIGUSR2");
      for await (const signal of received) {
        expect(signal).toBe("SIGUSR2");
        break;
      }
      raise("SIGUSR2");
      expect(await received.receive()).toBe("SIGUSR2");
    },
    { backend: kernel() },
  );
});
