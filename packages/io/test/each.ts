/** Registers a body as a test on every backend. Few seeds: each case starts real processes, threads or files. */
import { type Body, type Coroutine, type Operation, operation } from "@anyloop/core";
import { everyBackend } from "@anyloop/testing";
import { test } from "vitest";

export function each(name: string, body: Body<unknown>): void {
  for (const { name: title, perform } of everyBackend(name, body, { seeds: 2 })) test(title, perform);
}

/** The same for what one runtime cannot do: there it is a skipped test whose title says why. */
export function eachUnless(cannot: boolean, reason: string, name: string, body: Body<unknown>): void {
  if (cannot) test.skip(`${name} [${reason}]`);
  else each(name, body);
}

export const isBun: boolean = "Bun" in globalThis;

/** What an operation throws; fails if it does not. */
export const caught: (work: Operation<unknown>) => Operation<unknown> = operation(function* caught(
  work: Operation<unknown>,
): Coroutine<unknown> {
  try {
    yield* work;
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown.");
});
