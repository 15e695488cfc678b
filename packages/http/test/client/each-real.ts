/** A test on every backend, with real servers: native, the kernel, and the kernel with seeds. */
import { type Backend, type Body, type Coroutine, type Operation, run } from "@anyloop/core";
import { kernel } from "@anyloop/kernel";
import { native } from "@anyloop/native";
import { test } from "vitest";

const seed = Number(process.env["ANYLOOP_SEED"] ?? Math.floor(Math.random() * 1_000_000));

const backends: readonly (readonly [name: string, make: () => Backend])[] = [
  ["native", native],
  ["kernel", kernel],
  [`kernel, seed ${String(seed)}`, () => kernel({ seed })],
];

/** Bun has no undici: the client is on `fetch` there, which has no pool, proxy or TLS options of ours. */
export const isBun: boolean = "bun" in process.versions;

export const isDeno: boolean = "deno" in process.versions;

export function each(name: string, body: Body<unknown>, milliseconds = 10_000): void {
  for (const [label, make] of backends) {
    test(
      `${name} [${label}]`,
      async () => {
        await run(body, { backend: make() });
      },
      milliseconds,
    );
  }
}

/** The same for what only undici can do. */
export function eachOnUndici(name: string, body: Body<unknown>, milliseconds?: number): void {
  if (isBun) test.skip(`${name} [Bun has no undici]`);
  else each(name, body, milliseconds);
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
