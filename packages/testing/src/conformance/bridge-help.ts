/** What the rules of all kinds of bridges share. */
import {
  type Body,
  CancelScope,
  type Coroutine,
  fromPromise,
  type TaskGroup,
  taskGroup,
  type Work,
} from "@anyloop/core";
import { hostTurn } from "@anyloop/core/lowlevel";
import type { ForeignSide } from "./bridges.ts";
import type { Rule } from "./suite.ts";

/** Turns of the host after which foreign promises have settled that can. */
const turns = 5;

/** Lets the foreign side come as far as it can. */
export function* settleTurns(): Coroutine<void> {
  for (let turn = 0; turn < turns; turn++) yield* fromPromise(new Promise<void>(hostTurn));
}

/** The same for promise code. */
export async function settleTurnsOutside(): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise<void>(hostTurn);
}

/** Gives up after so many turns of the host; after none, the work arrives cancelled. */
export function* givingUpAfter<T>(turnsLeft: number, work: Work<T>): Coroutine<T | undefined> {
  const scope = new CancelScope();
  let left = turnsLeft;
  const countDown = (): void => {
    if (left-- > 0) hostTurn(countDown);
    else scope.cancel();
  };
  countDown();
  return yield* scope.run(work);
}

/** Makes each rule one that makes its own bridge, and ends what runs beside it. */
export function onBridge<B>(
  make: Body<B, [group: TaskGroup]>,
  rules: readonly { readonly rule: string; body(bridge: B): Coroutine<void> }[],
): Rule[] {
  return rules.map(({ rule, body }) => ({
    rule,
    body: () =>
      taskGroup(function* (group) {
        const bridge = (yield* new CancelScope().run(() => make(group))) as B;
        yield* body(bridge);
        group.cancel();
      }),
  }));
}

/** Whether it is the error that was to cross, or a copy of it where errors are copied. */
export function hasCrossed(foreign: ForeignSide, error: unknown, expected: Error): boolean {
  if (foreign.copiesErrors !== true || !(error instanceof Error)) return error === expected;
  return error.name === expected.name && error.message === expected.message;
}

/** Whether an error, or what caused it, is the one that is looked for. */
export function caused(error: unknown, isIt: (error: unknown) => boolean): boolean {
  for (let cause = error; cause !== undefined; cause = (cause as { cause?: unknown }).cause) {
    if (isIt(cause)) return true;
    if (typeof cause !== "object" || cause === null) return false;
  }
  return false;
}
