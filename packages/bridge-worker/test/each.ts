/** A test on the backends that have real time: what comes from another thread takes some. */
import type { Body, Coroutine, Operation } from "@anyloop/core";
import { everyBackend } from "@anyloop/testing";
import { test } from "vitest";

export function each(name: string, body: Body<unknown>): void {
  for (const { name: title, perform } of everyBackend(name, body, { backends: ["native", "kernel"] })) {
    test(title, perform);
  }
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
