/** A test on the backends that have real time: what comes from another thread takes some. */
import type { Body, Coroutine, Operation } from "@anyloop/core";
import { everyBackend } from "@anyloop/testing";
import { test } from "vitest";

export function each(name: string, body: Body<unknown>): void {
  for (const { name: title, perform } of everyBackend(name, body, { backends: ["native", "kernel"] })) {
    test(title, perform);
  }
}

/** The same for what one runtime cannot do: there it is a skipped test whose title says why. */
export function eachUnless(cannot: boolean, reason: string, name: string, body: Body<unknown>): void {
  if (cannot) test.skip(`${name} [${reason}]`);
  else each(name, body);
}

export const isDeno: boolean = "Deno" in globalThis;

export const isBun: boolean = "Bun" in globalThis;

/** Why no thread or process can be started with a program of these tests, if that is so. */
export const noPrograms: string | undefined =
  (globalThis as { process?: { version: string } }).process?.version.startsWith("v20.") === true
    ? "Node 20 runs no TypeScript"
    : undefined;

/** What the operation threw; fails if it did not. */
export function* caught(work: Operation<unknown>): Coroutine<unknown> {
  try {
    yield* work;
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown.");
}
