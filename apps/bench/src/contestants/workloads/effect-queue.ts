import { type Cause, Effect, Fiber, Queue, Ref } from "effect";
import { ids, numbers, queueCapacity, queueWorkers } from "../../workloads.ts";

const program = Effect.gen(function* () {
  const jobs = yield* Queue.bounded<number, Cause.Done>(queueCapacity);
  const total = yield* Ref.make(0);

  const produce = Queue.offerAll(jobs, ids).pipe(Effect.flatMap(() => Queue.end(jobs)));

  const work = Queue.take(jobs).pipe(
    Effect.flatMap((job) =>
      Effect.flatMap(Effect.yieldNow, () => Ref.update(total, (before) => before + job)),
    ),
    Effect.forever,
    Effect.catchTag("Done", () => Effect.void),
  );

  yield* Effect.forkChild(produce);
  const workers = yield* Effect.forEach(numbers(queueWorkers), () => Effect.forkChild(work));
  yield* Fiber.joinAll(workers);
  return yield* Ref.get(total);
});

export const queue = (): Promise<number> => Effect.runPromise(program);
