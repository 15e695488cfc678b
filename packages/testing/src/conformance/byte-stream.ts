/**
 * What every stream of bytes keeps to, whatever carries it: trio's `check_two_way_stream` and
 * `check_half_closeable_stream`, in our terms. Run by memory, buffered and stapled byte streams; made for sockets too, so no
 * rule counts on how many bytes come at once or how many the carrier holds.
 */
import type { Body, Coroutine, TaskGroup } from "@anyloop/core";
import type { MatrixOptions } from "../matrix.ts";
import {
  boundedRules,
  type BytePair,
  closeRules,
  dataRules,
  eofRules,
  type PairRule,
} from "./byte-stream-rules.ts";
import { withPair } from "./pair.ts";
import { casesOf, checkMaker, type ConformanceCase, type Rule } from "./suite.ts";

export interface ByteStreamConformanceOptions extends MatrixOptions {
  /** A sender has to wait sooner or later if nobody receives; true if not given. */
  readonly bounded?: boolean | undefined;
}

/**
 * The rules of byte streams, as test cases; each is tried in both directions. `makePair` makes a fresh pair at each call;
 * what has to run beside it goes into the group that it is given, which is cancelled at the end.
 */
export function byteStreamConformance(
  makePair: Body<BytePair, [group: TaskGroup]>,
  { bounded = true, ...options }: ByteStreamConformanceOptions = {},
): ConformanceCase[] {
  checkMaker(makePair, "byteStreamConformance");
  const rules = [...dataRules, ...closeRules, ...eofRules, ...(bounded ? boundedRules : [])];
  return casesOf(
    rules.map(({ body, ...rest }): Rule => ({ ...rest, body: () => bothWays(makePair, body) })),
    options,
  );
}

function* bothWays(makePair: Body<BytePair, [group: TaskGroup]>, body: PairRule["body"]): Coroutine<void> {
  yield* withPair(makePair, body);
  yield* withPair(makePair, ([left, right]) => body([right, left]));
}
