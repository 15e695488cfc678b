/**
 * The backends that a test runs on: native, the kernel, the kernel in virtual time, and the kernel with seeds that
 * shuffle the ready tasks.
 *
 * Invariant: a failure names its backend, and its seed, so that it can be repeated.
 */
import { UsageError } from "@anyloop/core";
import type { Backend, Instrument } from "@anyloop/core/lowlevel";
import { kernel, VirtualClock } from "@anyloop/kernel";
import { native } from "@anyloop/native";

/** A kind of backend. `"seeds"`: virtual time, and an order of the ready tasks drawn from each of some seeds. */
export type BackendKind = "native" | "kernel" | "virtual" | "seeds";

export interface MatrixOptions {
  /** Kinds of backends to run on; all if not given. */
  readonly backends?: readonly BackendKind[] | undefined;
  /** How many seeds to try; 20 if not given. */
  readonly seeds?: number | undefined;
  /** The first seed; drawn if not given, or what the environment says in `ANYLOOP_SEED`. */
  readonly seed?: number | undefined;
}

/** One run of a test on one backend. */
export interface Attempt {
  readonly seed: number | undefined;
  /** A backend of this kind, another at each call. */
  readonly makeBackend: (instruments?: readonly Instrument[]) => Backend;
}

/** A test for a test runner, without its body: where it runs, and how often. */
export interface Column {
  /** What stands behind the name of the test. */
  readonly label: string;
  readonly attempts: readonly Attempt[];
}

const { ANYLOOP_SEED } =
  (globalThis as { process?: { env: Record<string, string | undefined> } }).process?.env ?? {};
const drawn = ANYLOOP_SEED === undefined ? Math.floor(Math.random() * 1_000_000) : Number(ANYLOOP_SEED);

const kinds: readonly BackendKind[] = ["native", "kernel", "virtual", "seeds"];

/**
 * The columns that were asked for, in the order native, kernel, virtual time, seeds.
 *
 * @throws UsageError for options that leave nothing to run: a test that does not run passes.
 */
export function columnsOf({ backends = kinds, seeds = 20, seed = drawn }: MatrixOptions = {}): Column[] {
  const unknown = backends.find((kind) => !kinds.includes(kind));
  if (unknown !== undefined || backends.length === 0) {
    const what = unknown === undefined ? "No kind of backend is given" : `${unknown} is no kind of backend`;
    throw new UsageError(`${what}. Give some of ${kinds.join(", ")}.`);
  }
  if (!(Number.isInteger(seeds) && seeds > 0))
    throw new UsageError(`seeds is ${String(seeds)}. Give a whole number, 1 or more.`);
  if (!Number.isInteger(seed))
    throw new UsageError(
      `The seed is ${String(seed)}. Give a whole number, as an option or in ANYLOOP_SEED.`,
    );
  return kinds.filter((kind) => backends.includes(kind)).map((kind) => makers[kind](seeds, seed));
}

type MakeColumn = (seeds: number, first: number) => Column;

const makers: Readonly<Record<BackendKind, MakeColumn>> = {
  native: () => once("native", (instruments) => native({ instruments })),
  kernel: () => once("kernel", (instruments) => kernel({ instruments })),
  virtual: () =>
    once("kernel, virtual time", (instruments) => kernel({ instruments, clock: new VirtualClock() })),
  seeds: (seeds, first) => ({
    label: `kernel, ${String(seeds)} ${seeds === 1 ? "seed" : "seeds"}`,
    attempts: Array.from({ length: seeds }, (_, index) => seeded(first + index)),
  }),
};

function once(label: string, makeBackend: Attempt["makeBackend"]): Column {
  return { label, attempts: [{ seed: undefined, makeBackend }] };
}

function seeded(seed: number): Attempt {
  return {
    seed,
    makeBackend: (instruments) => kernel({ instruments, seed, clock: new VirtualClock() }),
  };
}

/** Where a test failed, for the front of its message. */
export function whereabouts({ label }: Column, { seed }: Attempt): string {
  if (seed === undefined) return `On ${label}: `;
  return `With seed ${String(seed)} (repeat it with ANYLOOP_SEED=${String(seed)}): `;
}
