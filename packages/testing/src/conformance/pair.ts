/** A pair of ends for the length of one rule, and what has to run beside it. */
import {
  all,
  type AsyncCloseable,
  type Body,
  CancelScope,
  type Coroutine,
  shield,
  type TaskGroup,
  taskGroup,
} from "@anyloop/core";
import { closeAnyway } from "./check.ts";

/** Makes a pair, performs the rule with it, closes both ends and ends what the maker started. */
export function* withPair<P extends readonly AsyncCloseable[]>(
  makePair: Body<P, [group: TaskGroup]>,
  rule: Body<void, [pair: P]>,
): Coroutine<void> {
  yield* taskGroup(function* (group) {
    const pair = (yield* new CancelScope().run(() => makePair(group))) as P;
    try {
      yield* new CancelScope().run(() => rule(pair));
    } finally {
      // All at once: one may wait until its other side has taken what was sent, or is gone.
      yield* shield(all(pair.map((end) => () => closeAnyway(end))));
    }
    group.cancel();
  });
}
