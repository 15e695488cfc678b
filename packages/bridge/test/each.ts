/** A test on every backend. */
import type { Body, Coroutine, Operation } from "@anyloop/core";
import { everyBackend, type EveryBackendOptions } from "@anyloop/testing";
import { test } from "vitest";

export function each(name: string, body: Body<unknown>, options: EveryBackendOptions = { seeds: 5 }): void {
  for (const { name: title, perform } of everyBackend(name, body, options)) test(title, perform);
}

/** What the operation threw; fails if it did not. */
export function* caught(work: Operation<unknown>): Coroutine<unknown> {
  try {
    yield* work;
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown.");
}
