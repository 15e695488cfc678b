/**
 * What all compatible copies of core in one JavaScript realm share: who is being stepped, what of its budget is
 * left, the two results that an operation can answer with, the ambient store and the default backend.
 *
 * Invariant: `current` is the strand whose code is on the stack right now, and undefined anywhere else.
 */
import type { Ambient, AmbientStore } from "./ambient.ts";
import type { Backend } from "./backend.ts";
import { Deque } from "./deque.ts";
import type { Instruction, Operation } from "./types.ts";
import type { Strand } from "./strand.ts";
import { UsageError } from "./errors.ts";

/** Raised whenever two copies of core could no longer step each other's operations. */
const version = 1;
const key = Symbol.for("anyloop.realm");

/** Operations a strand may perform in one step before it gives the others a turn. */
export const stepBudget = 64;

export interface Realm {
  readonly version: number;
  current: Strand | undefined;
  budget: number;
  /** Answer of an operation that did not complete yet: the strand is parked, rescheduled or has a new frame. */
  readonly pending: { readonly done: false; readonly value: Instruction };
  /** Answer of an operation that completed. One object for all: `yield*` reads it before anybody else can. */
  readonly done: { readonly done: true; value: unknown };
  /** Sent into a suspended generator to learn where it waits; the operation it waits for answers `pending`. */
  readonly probe: { trace: string | undefined };
  /** Called once the task that runs blocks or ends. */
  readonly whenBlocked: Deque<() => void>;
  storage: AmbientStore<Ambient> | undefined;
  defaultBackend: Backend | undefined;
  runOutside: ((operation: Operation<unknown>) => Promise<unknown>) | undefined;
}

function createRealm(): Realm {
  return {
    version,
    current: undefined,
    budget: stepBudget,
    pending: { done: false, value: Object.freeze({}) as never },
    done: { done: true, value: undefined },
    probe: { trace: undefined },
    whenBlocked: new Deque(),
    storage: undefined,
    defaultBackend: undefined,
    runOutside: undefined,
  };
}

const shared = globalThis as unknown as Record<symbol, Realm | undefined>;
const found: Realm = (shared[key] ??= createRealm());

export const realm: Realm = found.version === version ? found : createRealm();

/** Two copies that do not understand each other must say so before they lose a task between them. */
export const foreignRealm: boolean = found !== realm;

export function refuseForeignRealm(): never {
  throw new UsageError(
    `Two incompatible copies of @anyloop/core are loaded (realm ${found.version} and ${String(version)}). ` +
      "Deduplicate it in your lockfile so that one version remains.",
  );
}
