import { all, type Coroutine, map, type Operation, operation } from "anyloop";
import { checkpoint } from "anyloop/lowlevel";
import { fanOutLimit, ids } from "../../workloads.ts";
import { Directory, orAnonymous } from "./anyloop-services.ts";
import { isDarkFor, postsOf, scoreOf } from "./domain.ts";

const fetchPosts: (id: number) => Operation<number> = operation(function* fetchPosts(
  id: number,
): Coroutine<number> {
  yield* checkpoint();
  return postsOf(id);
});

const fetchIsDark: (id: number) => Operation<boolean> = operation(function* fetchIsDark(
  id: number,
): Coroutine<boolean> {
  yield* checkpoint();
  return isDarkFor(id);
});

export const fanOut: () => Operation<number> = operation(function* fanOut(): Coroutine<number> {
  const directory = new Directory();
  const profiles = yield* map(
    ids,
    function* load(id) {
      return yield* all({
        user: orAnonymous(directory.find(id)),
        posts: fetchPosts(id),
        isDark: fetchIsDark(id),
      });
    },
    { limit: fanOutLimit },
  );
  return scoreOf(profiles);
});
