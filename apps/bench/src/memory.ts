/** What a task costs that does nothing but wait: heap, measured over a hundred thousand of them. */
import { type Backend, type Coroutine, operation, run, sleepForever, taskGroup } from "anyloop";
import { checkpoint } from "anyloop/lowlevel";
import { Effect, Fiber } from "effect";
import type { Figures } from "./measure.ts";

const count = 100_000;

const parked = operation(function* parked(): Coroutine<void> {
  yield* sleepForever();
});

function heap(): number {
  if (globalThis.gc === undefined) throw new Error("Bytes cannot be measured without --expose-gc.");
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}

async function ours(backend: Backend): Promise<number> {
  return await run(
    () =>
      taskGroup(function* (group) {
        const before = heap();
        for (let index = 0; index < count; index++) group.startSoon(parked());
        for (let turn = 0; turn < 3; turn++) yield* checkpoint();
        const bytes = (heap() - before) / count;
        group.cancel();
        return bytes;
      }),
    { backend },
  );
}

/** The least that waits in an async function: a promise that nothing has settled yet. */
async function wait(resolvers: (() => void)[]): Promise<void> {
  await new Promise<void>((resolve) => resolvers.push(resolve));
}

async function promises(): Promise<number> {
  const resolvers: (() => void)[] = [];
  const before = heap();
  for (let index = 0; index < count; index++) void wait(resolvers);
  await Promise.resolve();
  const bytes = (heap() - before) / count;
  for (const resolve of resolvers) resolve();
  return bytes;
}

const effect = Effect.gen(function* () {
  const waiting = Effect.gen(function* () {
    yield* Effect.never;
  });
  const fibers = [];
  const before = heap();
  for (let index = 0; index < count; index++) fibers.push(yield* Effect.forkChild(waiting));
  yield* Effect.yieldNow;
  const bytes = (heap() - before) / count;
  yield* Fiber.interruptAll(fibers);
  return bytes;
});

export async function bytesPerParkedTask(backends: { kernel: Backend; native: Backend }): Promise<Figures> {
  const figures: Record<string, number> = { promises: await promises() };
  figures["kernel"] = await ours(backends.kernel);
  figures["native"] = await ours(backends.native);
  figures["effect"] = await Effect.runPromise(effect);
  return figures;
}
