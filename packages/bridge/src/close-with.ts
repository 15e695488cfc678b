/** Ends of bridges that end with a group: what is foreign lives longer than a run, and is told that the run has ended. */
import { type Coroutine, operation, RunFinishedError, sleepForever, type TaskGroup } from "@anyloop/core";
import type { BridgeReceiveStream, BridgeSendStream } from "./ends.ts";

type End = BridgeReceiveStream<unknown> | BridgeSendStream<never>;

const closeAtTheEnd = operation(function* closeAtTheEnd(end: End): Coroutine<void> {
  try {
    yield* sleepForever();
  } finally {
    const reason = new RunFinishedError();
    if ("abandon" in end) end.abandon(reason);
    if ("fail" in end) end.fail(reason);
  }
});

/**
 * Closes the end of a bridge when the group ends, and gives it back. The foreign side is told RunFinishedError; an end
 * that is closed by then stays as it is.
 */
export function closeWith<E extends End>(group: TaskGroup, end: E): E {
  group.startSoon(closeAtTheEnd(end), { daemon: true });
  return end;
}
