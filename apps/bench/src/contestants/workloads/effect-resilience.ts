import { Data, Effect, Ref } from "effect";
import { flaky, ids, replicaTurns } from "../../workloads.ts";

class Unavailable extends Data.TaggedError("Unavailable")<{ readonly call: number }> {}

const program = Effect.gen(function* () {
  const calls = yield* Ref.make(0);
  const failures = yield* Ref.make(0);

  const ask = Effect.gen(function* () {
    const call = yield* Ref.updateAndGet(calls, (count) => count + 1);
    yield* Effect.yieldNow;
    if (call % flaky.every !== 0) {
      yield* Ref.update(failures, (count) => count + 1);
      return yield* new Unavailable({ call });
    }
    return "primary";
  });

  const primary = ask.pipe(Effect.retry({ times: flaky.retries }), Effect.timeout(flaky.timeout));

  const replica = Effect.gen(function* () {
    for (let turn = 0; turn < replicaTurns; turn++) yield* Effect.yieldNow;
    return "replica";
  });

  const answers = yield* Effect.forEach(ids, () => Effect.race(primary, replica));
  return (yield* Ref.get(failures)) + answers.filter((answer) => answer === "primary").length;
});

export const resilience = (): Promise<number> => Effect.runPromise(program);
