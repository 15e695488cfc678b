/** Whoever holds the loop is named; whoever does not is not. */
import { type Coroutine, run, sleep, taskGroup, UsageError } from "@anyloop/core";
import { addInstrument, checkpoint } from "@anyloop/core/lowlevel";
import { type BlockingStep, detectBlocking } from "@anyloop/io";
import { kernel } from "@anyloop/kernel";
import { native } from "@anyloop/native";
import { expect, test, vi } from "vitest";

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

function* holdsTheLoop(): Coroutine<void> {
  yield* sleep(1);
  block(80);
  yield* sleep(1);
}

function* polite(): Coroutine<void> {
  for (let count = 0; count < 40; count++) {
    block(2);
    yield* checkpoint();
  }
}

for (const make of [kernel, native]) {
  const on = (name: string, body: () => Promise<void>): void => test(`${name} [${make.name}]`, body);

  on("a step over the limit is told, with its task, its time and where the task stands", async () => {
    const steps: BlockingStep[] = [];
    const backend = make({ instruments: [detectBlocking(50, (step) => void steps.push(step))] });
    await run(
      taskGroup((group) => {
        group.startSoon(holdsTheLoop);
        group.startSoon(polite);
      }),
      { backend },
    );
    const step = steps.find(({ task }) => task.name === "holdsTheLoop");
    expect(step?.duration).toBeGreaterThanOrEqual(80);
    expect(step?.places.join("\n")).toContain("detect-blocking.node.test.ts:17");
  });

  on("a task that blocks and then ends is told as well", async () => {
    const steps: BlockingStep[] = [];
    const backend = make({ instruments: [detectBlocking(20, (step) => void steps.push(step))] });
    const atOnce = function* (): Coroutine<void> {
      block(40);
    };
    await run(atOnce, { backend });
    expect(steps.map(({ task }) => task.name)).toContain("atOnce");
  });

  on("without a report it warns, and can be added to a run that goes on", async () => {
    const warned = vi.spyOn(console, "warn").mockImplementation(() => {});
    try {
      await run(
        function* () {
          addInstrument(detectBlocking(50));
          yield* checkpoint();
          yield* holdsTheLoop();
        },
        { backend: make() },
      );
      expect(warned.mock.calls.flat().join()).toMatch(/held the loop for \d+ ms/);
    } finally {
      warned.mockRestore();
    }
  });
}

test("a limit that cannot be is refused", () => {
  for (const limit of [0, -1, Number.NaN]) expect(() => detectBlocking(limit)).toThrow(UsageError);
});
