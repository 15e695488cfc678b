import { any, type Coroutine, failAfter, type Operation, operation } from "anyloop";
import { checkpoint } from "anyloop/lowlevel";
import { flaky, ids, replicaTurns } from "../../workloads.ts";
import { retry } from "./anyloop-retry.ts";

class Unavailable extends Error {
  override readonly name = "Unavailable";
  readonly call: number;

  constructor(call: number) {
    super(`Call ${String(call)} was not answered.`);
    this.call = call;
  }
}

interface Log {
  calls: number;
  failures: number;
}

const askPrimary: (log: Log) => Operation<string> = operation(function* askPrimary(
  log: Log,
): Coroutine<string> {
  const call = ++log.calls;
  yield* checkpoint();
  if (call % flaky.every !== 0) {
    log.failures++;
    throw new Unavailable(call);
  }
  return "primary";
});

const askReplica: () => Operation<string> = operation(function* askReplica(): Coroutine<string> {
  for (let turn = 0; turn < replicaTurns; turn++) yield* checkpoint();
  return "replica";
});

/** A hedge is the first that succeeds, so `any`; `race` would give the primary's failure, if it came first. */
export const resilience: () => Operation<number> = operation(function* resilience(): Coroutine<number> {
  const log: Log = { calls: 0, failures: 0 };
  const answers: string[] = [];
  for (const _request of ids) {
    const primary = failAfter(flaky.timeout, retry(flaky.retries, askPrimary(log)));
    answers.push(yield* any([primary, askReplica()]));
  }
  return log.failures + answers.filter((answer) => answer === "primary").length;
});
