import { Deferred, Effect, Fiber } from "effect";
import { gated, numbers } from "../../workloads.ts";

const program = Effect.gen(function* () {
  const gate = yield* Deferred.make<void>();

  const work = (index: number) =>
    Deferred.await(gate).pipe(
      Effect.flatMap(() => Effect.yieldNow),
      Effect.map(() => index * 2),
    );

  const fibers = yield* Effect.forEach(numbers(gated), (index) => Effect.forkChild(work(index)));
  yield* Effect.yieldNow;
  yield* Deferred.succeed(gate, undefined);
  let total = 0;
  for (const answer of yield* Fiber.joinAll(fibers)) total += answer;
  return total;
});

export const gate = (): Promise<number> => Effect.runPromise(program);
