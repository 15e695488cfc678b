import { type Cause, Context, Effect, Fiber, Layer, Queue, Ref } from "effect";
import { ids, numbers, queueCapacity, service } from "../../workloads.ts";
import { anonymous, keyOf, lookups, misses, type User } from "./domain.ts";
import { Directory, Metrics } from "./effect-services.ts";

/** Stands for a server's socket. */
class Listener extends Context.Service<Listener, { readonly isOpen: boolean }>()("bench/Listener") {
  static readonly layer = Layer.effect(
    Listener,
    Effect.acquireRelease(
      Effect.sync((): { isOpen: boolean } => ({ isOpen: true })),
      (listener) =>
        Effect.sync(() => {
          listener.isOpen = false;
        }),
    ),
  );
}

const program = Effect.gen(function* () {
  const directory = yield* Directory;
  const metrics = yield* Metrics;
  yield* Listener;
  const waiting = yield* Queue.bounded<number, Cause.Done>(queueCapacity);
  const served = yield* Ref.make(0);
  const unnamed = yield* Ref.make(0);
  const cache = new Map<number, User>();

  const serve = Effect.fnUntraced(function* (id: number) {
    const user =
      cache.get(id) ??
      (yield* directory.find(id).pipe(
        Effect.retry({ times: service.retries }),
        Effect.timeout(service.timeout),
        Effect.catchTag("UserNotFound", () => Effect.succeed(anonymous)),
        Effect.tap((found) => metrics.increment(found === anonymous ? misses : lookups)),
      ));
    cache.set(id, user);
    yield* Ref.update(served, (count) => count + 1);
    if (user === anonymous) yield* Ref.update(unnamed, (count) => count + 1);
    return user.name;
  });

  const work = Queue.take(waiting).pipe(
    Effect.flatMap((request) => serve(keyOf(request))),
    Effect.forever,
    Effect.catchTag("Done", () => Effect.void),
  );

  const workers = yield* Effect.forEach(numbers(service.workers), () => Effect.forkChild(work));
  yield* Effect.forEach(ids, (request) => Queue.offer(waiting, request), {
    concurrency: service.producers,
    discard: true,
  });
  yield* Queue.end(waiting);
  yield* Fiber.joinAll(workers);
  const callsInVain = (yield* directory.calls) - (yield* metrics.count(lookups));
  return (yield* Ref.get(served)) + (yield* Ref.get(unnamed)) + callsInVain / (yield* metrics.count(misses));
});

const services = Layer.mergeAll(Directory.layer, Metrics.layer, Listener.layer);

export const all = (): Promise<number> => Effect.runPromise(Effect.provide(program, services));
