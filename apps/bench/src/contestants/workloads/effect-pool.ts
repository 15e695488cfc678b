import { Context, Effect, Layer, Ref, Semaphore } from "effect";
import { connections, numbers, units } from "../../workloads.ts";

class Pool extends Context.Service<Pool, { query(n: number): Effect.Effect<number> }>()("bench/Pool") {
  /** Its connections are open as long as the layer is. */
  static readonly layerOf = (open: Ref.Ref<number>): Layer.Layer<Pool> =>
    Layer.effect(
      Pool,
      Effect.gen(function* () {
        const pool = yield* Effect.forEach(numbers(connections), (index) =>
          Effect.acquireRelease(
            Ref.update(open, (count) => count + 1).pipe(Effect.as({ id: index + 1 })),
            () => Ref.update(open, (count) => count - 1),
          ),
        );
        const permits = yield* Semaphore.make(pool.length);
        return Pool.of({
          query: (n) =>
            permits.withPermit(Effect.as(Effect.yieldNow, (pool[n % pool.length]?.id ?? Number.NaN) * n)),
        });
      }),
    );
}

const queries = numbers(units.queries).map((index) => index + 1);

const work = Effect.gen(function* () {
  const pool = yield* Pool;
  let total = 0;
  yield* Effect.forEach(
    numbers(units.count),
    () =>
      Effect.map(
        Effect.forEach(queries, (n) => pool.query(n)),
        (answers) => {
          for (const answer of answers) total += answer;
        },
      ),
    { discard: true },
  );
  return total;
});

const program = Effect.gen(function* () {
  const open = yield* Ref.make(0);
  const total = yield* Effect.provide(work, Pool.layerOf(open));
  if ((yield* Ref.get(open)) > 0) return yield* Effect.die("A connection was left open.");
  return total;
});

export const pool = (): Promise<number> => Effect.runPromise(program);
