import { Effect, Layer, Ref } from "effect";
import { ids } from "../../workloads.ts";
import { anonymous, keyOf, lookups, type User } from "./domain.ts";
import { Directory, Metrics } from "./effect-services.ts";

const program = Effect.gen(function* () {
  const directory = yield* Directory;
  const metrics = yield* Metrics;
  const cache = new Map<number, User>();
  const hits = yield* Ref.make(0);

  const nameOf = Effect.fnUntraced(function* (id: number) {
    const cached = cache.get(id);
    if (cached !== undefined) {
      yield* Ref.update(hits, (count) => count + 1);
      return cached.name;
    }
    const user = yield* directory.find(id).pipe(
      Effect.catchTag("UserNotFound", () => Effect.succeed(anonymous)),
      Effect.tap(() => metrics.increment(lookups)),
    );
    cache.set(id, user);
    return user.name;
  });

  const names = yield* Effect.forEach(ids, (request) => nameOf(keyOf(request)));
  const unnamed = names.filter((name) => name === anonymous.name).length;
  return (yield* Ref.get(hits)) + (yield* metrics.count(lookups)) + unnamed;
});

const services = Layer.merge(Directory.layer, Metrics.layer);

export const pipeline = (): Promise<number> => Effect.runPromise(Effect.provide(program, services));
