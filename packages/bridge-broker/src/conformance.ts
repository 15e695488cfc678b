/**
 * What every work queue keeps to, as test cases: for ours, and for whoever writes the bridge to another broker.
 *
 * Invariant: the rules know nothing but `WorkQueue`; time is the queue's own, which is the loop's only in memory.
 */
export { brokerBridgeConformance, type BrokerUnderTest, type ForeignProgram } from "./bridge-rules.ts";
export { brokerFaults, type BrokerToHarm } from "./faults.ts";
import { type Coroutine, operation, use } from "@anyloop/core";
import { everyBackend, type MatrixOptions, type TestCase } from "@anyloop/testing";
import { endRules } from "./end-rules.ts";
import { messageRules } from "./message-rules.ts";
import type { DeadLetter } from "./work-queue.ts";
import type { Rule, WorkQueueUnderTest } from "./work-queue-help.ts";

export type { WorkQueueUnderTest } from "./work-queue-help.ts";

const performRule = operation(function* performRule(
  { make, pass }: WorkQueueUnderTest,
  rule: Rule,
): Coroutine<void> {
  const letters: DeadLetter<number>[] = [];
  const options = typeof rule.options === "function" ? rule.options(letters) : (rule.options ?? {});
  const queue = make(options);
  yield* use(queue.openSender(), (sender) =>
    use(queue.openReceiver(), (receiver) => rule.body({ queue, sender, receiver, letters, pass })),
  );
});

/** The rules of work queues, as test cases on every backend. */
export function workQueueConformance(tested: WorkQueueUnderTest, options: MatrixOptions = {}): TestCase[] {
  return [...messageRules, ...endRules].flatMap((rule) =>
    everyBackend(rule.rule, performRule(tested, rule), options),
  );
}
