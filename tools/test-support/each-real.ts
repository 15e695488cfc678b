/** A test on every backend that can serve real sockets: native, the kernel, and the kernel with seeds. */
import { type Backend, type Body, type Coroutine, type Operation, run } from "@anyloop/core";
import { kernel } from "@anyloop/kernel";
import { native } from "@anyloop/native";
import { test } from "vitest";

const seeds = 2;
const firstSeed = Number(process.env["ANYLOOP_SEED"] ?? Math.floor(Math.random() * 1_000_000));

const backends: readonly (readonly [name: string, make: () => Backend])[] = [
  ["native", native],
  ["kernel", kernel],
  ...Array.from(
    { length: seeds },
    (_, index) =>
      [`kernel, seed ${String(firstSeed + index)}`, () => kernel({ seed: firstSeed + index })] as const,
  ),
];

export const isBun: boolean = "bun" in process.versions;
export const isDeno: boolean = "deno" in process.versions;

/** What a runtime cannot do, with the reason for the test's title. */
export interface Gaps {
  readonly bun?: string | false;
  readonly deno?: string | false;
}

/** Why a test is not run here, if it is not. */
export function gapHere({ bun = false, deno = false }: Gaps = {}): string | undefined {
  const gap = isBun ? bun : isDeno ? deno : false;
  return gap === false ? undefined : gap;
}

export function each(name: string, body: Body<unknown>, gaps?: Gaps, milliseconds?: number): void {
  const gap = gapHere(gaps);
  if (gap !== undefined) {
    test.skip(`${name} [${gap}]`);
    return;
  }
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

/** What the operation threw; fails if it did not. */
export function* caught(work: Operation<unknown>): Coroutine<unknown> {
  try {
    yield* work;
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown.");
}
