/**
 * Asks every source again and again.
 *
 * Invariant: no more questions than allowed are under way at once, none longer than its time; a source that fails is
 * asked again in its turn, and disturbs no other.
 */
import {
  CapacityLimiter,
  type Coroutine,
  failAfter,
  isCancelled,
  operation,
  type Operation,
  sleep,
  taskGroup,
  TimeoutError,
} from "anyloop";
import type { ClientSession } from "@anyloop/http";
import type { Board } from "./board.ts";
import { askPrice, problemOf, type Source } from "./source.ts";

export interface WatchOptions {
  /** Milliseconds between an answer and the next question. */
  readonly interval: number;
  /** Milliseconds that a source has to answer. */
  readonly timeout: number;
  /** Questions that may be under way at once. */
  readonly limit: number;
}

interface Watch extends WatchOptions {
  readonly board: Board;
  readonly session: ClientSession;
  readonly limiter: CapacityLimiter;
}

const askOnce = operation(function* ask(
  { board, session, timeout, limiter }: Watch,
  source: Source,
): Coroutine<void> {
  using _turn = yield* limiter.acquire();
  const over = board.asking(source.name);
  try {
    board.heard(source.name, yield* failAfter(timeout, askPrice(session, source)));
  } catch (error) {
    if (isCancelled(error)) throw error;
    const isLate = error instanceof TimeoutError;
    board.missed(source.name, isLate ? `No answer within ${timeout} ms.` : problemOf(error));
  } finally {
    over();
  }
});

const watchSource = operation(function* watchSource(watch: Watch, source: Source): Coroutine<never> {
  for (;;) {
    yield* askOnce(watch, source);
    yield* sleep(watch.interval);
  }
});

/** Keeps the board up to date until it is cancelled. */
export const watchSources: (
  board: Board,
  sources: readonly Source[],
  session: ClientSession,
  options: WatchOptions,
) => Operation<void> = operation(function* watchSources(
  board: Board,
  sources: readonly Source[],
  session: ClientSession,
  options: WatchOptions,
): Coroutine<void> {
  const watch: Watch = { ...options, board, session, limiter: new CapacityLimiter(options.limit) };
  yield* taskGroup((group) => {
    for (const source of sources)
      group.startSoon(watchSource(watch, source), { name: `watch ${source.name}` });
  });
});
