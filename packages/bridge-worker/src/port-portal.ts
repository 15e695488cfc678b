/**
 * Portals to another thread or process: functions that a run offers by name, and whoever calls them from elsewhere.
 *
 * Invariant: what is called runs as a task of the run that serves it, so it ends with that; whoever calls is told its
 * real end. A caller's cancellation cancels it, nothing else.
 */
import {
  CancelScope,
  type Coroutine,
  isCancelled,
  type Operation,
  operation,
  RunFinishedError,
  TaskCancelled,
  type TaskGroup,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { closing } from "@anyloop/core/lowlevel";
import { UniversalEvent } from "@anyloop/bridge";
import { type Answering, Caller, Server } from "./calls.ts";
import type { Port } from "./port.ts";

export interface PortPortalOptions {
  /** By which the two sides find each other; "portal" if not given. */
  readonly name?: string | undefined;
}

/** What a portal can offer: functions of any style, whose arguments and results can be cloned. */
export type PortalFunctions<F> = { readonly [K in keyof F]: (...args: never[]) => unknown };

/** What a call of the function gives. */
export type PortalResult<Work> = Work extends (...args: never[]) => infer R
  ? R extends Coroutine<infer T>
    ? T
    : Awaited<R>
  : never;

/** A way into the run that serves at the other side of a port. */
export interface PortPortal<F extends PortalFunctions<F>> extends AsyncDisposable {
  /**
   * Performs a function of the other run there, and gives what it gives. Waits until the other side serves. Cancelled, it
   * has the function cancelled and waits for its end; a value that comes anyway wins.
   * @throws the function's own error, as a copy; UsageError for a function that is not there, and for what cannot be
   * cloned; RunFinishedError once the other side serves no more; BrokenResourceError, with the cause, if its thread or
   * process is gone; ClosedResourceError.
   */
  call<K extends keyof F & string>(name: K, ...args: Parameters<F[K]>): Operation<PortalResult<F[K]>>;
  /** Closes our side: calls that wait are cancelled over there. The port stays open. */
  close(): Operation<void>;
}

const defaultName = "portal";

class PortalEnd<F extends PortalFunctions<F>> implements PortPortal<F> {
  private readonly caller: Caller;

  constructor(port: Port, name: string) {
    this.caller = new Caller(port, name);
  }

  call<K extends keyof F & string>(name: K, ...args: Parameters<F[K]>): Operation<PortalResult<F[K]>> {
    return this.caller.call(name, args) as Operation<PortalResult<F[K]>>;
  }

  close(): Operation<void> {
    return closing(() => this.caller.close());
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }
}

/**
 * The calling side of a portal; the other side of the port has `servePortal`.
 *
 * ```ts
 * import { run, taskGroup } from "anyloop";
 * import { portPortal, servePortal } from "@anyloop/bridge-worker";
 *
 * const { port1, port2 } = new MessageChannel();
 * const functions = {
 *   *add(a: number, b: number) {
 *     return a + b;
 *   },
 * };
 * await run(
 *   taskGroup(function* (group) {
 *     group.startSoon(servePortal(port2, functions));
 *     const portal = portPortal<typeof functions>(port1);
 *     console.log(yield* portal.call("add", 1, 2)); // 3
 *     yield* portal.close();
 *   }),
 * );
 * ```
 *
 * @throws UsageError for what is no port, and for a name that is open there already.
 */
export function portPortal<F extends PortalFunctions<F>>(
  port: Port,
  { name = defaultName }: PortPortalOptions = {},
): PortPortal<F> {
  return new PortalEnd<F>(port, name);
}

type AnyFunction = (...args: readonly unknown[]) => unknown;

/** What is offered by that name. Not what every object has, such as `constructor`. */
function functionCalled(functions: object, name: string): AnyFunction {
  const found: unknown = Object.hasOwn(functions, name)
    ? (functions as Record<string, unknown>)[name]
    : undefined;
  if (typeof found === "function") return found as AnyFunction;
  throw new UsageError(
    `The portal offers no function "${name}". It has: ${Object.keys(functions).join(", ")}.`,
  );
}

const performCall = operation(function* call(
  functions: object,
  name: string,
  args: readonly unknown[],
  scope: CancelScope,
  answering: Answering,
): Coroutine<void> {
  try {
    const work = functionCalled(functions, name);
    const value = yield* scope.run(() => Reflect.apply(work, functions, args) as Coroutine<unknown>);
    if (scope.cancelledCaught) answering.cancelled();
    else answering.value(value);
  } catch (error) {
    if (isCancelled(error)) {
      answering.error(new TaskCancelled("The portal was cancelled before the call had ended.", error));
      throw error;
    }
    answering.error(error);
  }
});

function* serveCalls(port: Port, functions: object, channelName: string): Coroutine<void> {
  const over = new UniversalEvent();
  let server: Server | undefined;
  try {
    yield* taskGroup(function* (group: TaskGroup) {
      server = new Server(
        port,
        channelName,
        (name, args, answering) => startCall(group, functions, name, args, answering),
        () => over.set(),
      );
      server.begin();
      yield* server.whileServing(over.wait());
      group.cancel("nobody calls any more");
    });
  } finally {
    server?.close(new RunFinishedError("The portal has closed: the run that served it has ended."));
  }
}

function startCall(
  group: TaskGroup,
  functions: object,
  name: string,
  args: readonly unknown[],
  answering: Answering,
): () => void {
  const scope = new CancelScope();
  group.startSoon(performCall(functions, name, args, scope, answering), { name });
  return () => scope.cancel("the caller was cancelled");
}

const performServe = operation(serveCalls);

/**
 * Serves functions to the other side of a port, where `portPortal` calls them: each call is a task here, several at once.
 * Runs until the other side has closed, or until it is cancelled; then calls that have not ended are cancelled, and
 * whoever calls after that is told RunFinishedError. What a function throws is thrown by its caller, and here nowhere.
 *
 * ```ts
 * import { run, sleep, taskGroup } from "anyloop";
 * import { portPortal, servePortal } from "@anyloop/bridge-worker";
 *
 * const { port1, port2 } = new MessageChannel();
 * const functions = {
 *   async greet(name: string) {
 *     await sleep(1);
 *     return `Hello ${name}`;
 *   },
 * };
 * await run(
 *   taskGroup(function* (group) {
 *     group.startSoon(servePortal(port2, functions));
 *     const portal = portPortal<typeof functions>(port1);
 *     console.log(yield* portal.call("greet", "you")); // Hello you
 *     yield* portal.close();
 *   }),
 * );
 * ```
 *
 * @throws UsageError for what is no port, and for a name that is open there already.
 */
export function servePortal<F extends PortalFunctions<F>>(
  port: Port,
  functions: F,
  { name = defaultName }: PortPortalOptions = {},
): Operation<void> {
  return performServe(port, functions, name);
}
