import { Effect } from "effect";
import { fanOutLimit, ids } from "../../workloads.ts";
import { anonymous, isDarkFor, postsOf, scoreOf } from "./domain.ts";
import { Directory } from "./effect-services.ts";

const program = Effect.gen(function* () {
  const directory = yield* Directory;

  const load = (id: number) =>
    Effect.all(
      {
        user: directory.find(id).pipe(Effect.catchTag("UserNotFound", () => Effect.succeed(anonymous))),
        posts: Effect.as(Effect.yieldNow, postsOf(id)),
        isDark: Effect.as(Effect.yieldNow, isDarkFor(id)),
      },
      { concurrency: "unbounded" },
    );

  return scoreOf(yield* Effect.forEach(ids, load, { concurrency: fanOutLimit }));
});

export const fanOut = (): Promise<number> => Effect.runPromise(Effect.provide(program, Directory.layer));
