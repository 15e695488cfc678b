/**
 * One test, every backend: native, the kernel, the kernel in virtual time, and the kernel with seeds that shuffle the
 * ready tasks.
 *
 * Invariant: a failure names its backend, and its seed, so that it can be repeated.
 */
import { type Backend, type Body, run } from "@anyloop/core";
import { kernel, VirtualClock } from "@anyloop/kernel";
import { native } from "@anyloop/native";

export interface EveryBackendOptions {
  /** Seeds to try; 20 if not given. */
  readonly seeds?: number | undefined;
  /** Only backends whose clock is virtual: for tests that measure time. */
  readonly virtualOnly?: boolean | undefined;
}

/** A test for a test runner: a name, and what to do. */
export interface TestCase {
  readonly name: string;
  readonly perform: () => Promise<void>;
}

const { ANYLOOP_SEED } =
  (globalThis as { process?: { env: Record<string, string | undefined> } }).process?.env ?? {};
const firstSeed = ANYLOOP_SEED === undefined ? Math.floor(Math.random() * 1_000_000) : Number(ANYLOOP_SEED);

async function performSeeded(body: Body<unknown>, seeds: number): Promise<void> {
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    try {
      await run(body, { backend: kernel({ seed, clock: new VirtualClock() }) });
    } catch (error) {
      throw new Error(
        `With seed ${String(seed)} (repeat it with ANYLOOP_SEED=${String(seed)}): ${String(error)}`,
        {
          cause: error,
        },
      );
    }
  }
}

/** The same body as a test for each backend. */
export function everyBackend(
  name: string,
  body: Body<unknown>,
  options: EveryBackendOptions = {},
): TestCase[] {
  const seeds = options.seeds ?? 20;
  const on = (label: string, makeBackend: () => Backend): TestCase => ({
    name: `${name} [${label}]`,
    perform: async () => {
      await run(body, { backend: makeBackend() });
    },
  });
  const real = [on("native", native), on("kernel", kernel)];
  return [
    ...(options.virtualOnly === true ? [] : real),
    on("kernel, virtual time", () => kernel({ clock: new VirtualClock() })),
    { name: `${name} [kernel, ${String(seeds)} seeds]`, perform: () => performSeeded(body, seeds) },
  ];
}
