/** The services of the workloads, as effect has them: looked up in a context, provided by layers. */
import { Context, Data, Effect, Layer, Ref } from "effect";
import { isNobody, type User, userOf } from "./domain.ts";

export class UserNotFound extends Data.TaggedError("UserNotFound")<{ readonly id: number }> {}

export class Directory extends Context.Service<
  Directory,
  {
    /** Gives way once, as a driver does that asks over the network. */
    find(id: number): Effect.Effect<User, UserNotFound>;
    /** How often it was asked. */
    readonly calls: Effect.Effect<number>;
  }
>()("bench/Directory") {
  static readonly layer = Layer.sync(Directory, () => {
    let calls = 0;
    return Directory.of({
      find: Effect.fnUntraced(function* (id: number) {
        calls++;
        yield* Effect.yieldNow;
        if (isNobody(id)) return yield* new UserNotFound({ id });
        return userOf(id);
      }),
      calls: Effect.sync(() => calls),
    });
  });
}

export class Metrics extends Context.Service<
  Metrics,
  {
    increment(name: string): Effect.Effect<void>;
    count(name: string): Effect.Effect<number>;
  }
>()("bench/Metrics") {
  static readonly layer = Layer.effect(
    Metrics,
    Effect.gen(function* () {
      const counters = yield* Ref.make(new Map<string, number>());
      return Metrics.of({
        increment: (name) => Ref.update(counters, (all) => all.set(name, (all.get(name) ?? 0) + 1)),
        count: (name) => Effect.map(Ref.get(counters), (all) => all.get(name) ?? 0),
      });
    }),
  );
}
