/**
 * Which task am I, in code that the loop does not step: the ambient store of the host, found at run time.
 *
 * Invariant: wherever the store holds something, it is the run marker of a drain (no frame) or an async frame; code that
 * runs outside any run sees nothing.
 */
import type { AsyncFrame } from "./async-frame.ts";
import { realm } from "./realm.ts";
import type { Run } from "./run.ts";

/** What the store holds: a run, and the async frame in it, if one is on the way. */
export interface Ambient {
  readonly run: Run;
  readonly frame: AsyncFrame | undefined;
}

/** The little that core needs of `AsyncLocalStorage` or `AsyncContext.Variable`. */
export interface AmbientStore<T> {
  get(): T | undefined;
  run<R>(value: T, body: () => R): R;
  /** A function that runs others in the context of this moment, all stores of the program included. */
  snapshot(): <R>(body: () => R) => R;
}

interface NodeStorage<T> {
  getStore(): T | undefined;
  run<R>(value: T, body: () => R): R;
}
interface NodeResource {
  runInAsyncScope<R>(body: () => R): R;
}
interface NodeAsyncHooks {
  AsyncLocalStorage?: new <T>() => NodeStorage<T>;
  AsyncResource: new (type: string, options: { requireManualDestroy: boolean }) => NodeResource;
}
interface Host {
  process?: { getBuiltinModule?: (name: string) => NodeAsyncHooks | undefined };
  AsyncContext?: {
    Variable: new <T>() => { get(): T | undefined; run<R>(value: T, body: () => R): R };
    Snapshot: new () => { run<R>(body: () => R): R };
  };
}

function find<T>(): AmbientStore<T> | undefined {
  const host = globalThis as unknown as Host;
  const context = host.AsyncContext;
  if (context !== undefined) {
    const variable = new context.Variable<T>();
    return {
      get: () => variable.get(),
      run: (value, body) => variable.run(value, body),
      snapshot() {
        const taken = new context.Snapshot();
        return (body) => taken.run(body);
      },
    };
  }
  const hooks = host.process?.getBuiltinModule?.("node:async_hooks");
  if (hooks?.AsyncLocalStorage === undefined) return undefined;
  const { AsyncLocalStorage: Storage, AsyncResource } = hooks;
  const storage = new Storage<T>();
  return {
    get: () => storage.getStore(),
    run: (value, body) => storage.run(value, body),
    snapshot() {
      // What `AsyncLocalStorage.snapshot` is made of, without what makes it six times slower: it binds a function.
      const taken = new AsyncResource("anyloop", { requireManualDestroy: true });
      return (body) => taken.runInAsyncScope(body);
    },
  };
}

realm.storage ??= find();

/** The store, or undefined where the host has none (a browser today). */
export const storage: AmbientStore<Ambient> | undefined = realm.storage;

/** The living async frame that the running code belongs to, if any. */
export function openFrame(): AsyncFrame | undefined {
  const frame = storage?.get()?.frame;
  return frame?.isOpen === true ? frame : undefined;
}
