/**
 * Errors on their way to another thread: a structured clone loses the class, the name and what else an error has.
 *
 * Invariant: whatever was thrown, what is packed can be cloned. What arrives has the same class where both sides know it,
 * the same name, message, stack, code and plain properties, and the same causes; it is not the same object.
 */
import {
  AmbientContextError,
  BrokenResourceError,
  ClosedResourceError,
  DeadlockError,
  EndOfStream,
  IncompleteRead,
  InternalError,
  RunFinishedError,
  TimeoutError,
  UsageError,
  WouldBlock,
} from "@anyloop/core";

/** An error, packed; anything else that was thrown, as it is or in words. */
export type SentError =
  | { readonly isError: false; readonly value: unknown }
  | {
      readonly isError: true;
      readonly name: string;
      readonly message: string;
      readonly stack: string | undefined;
      readonly properties: Readonly<Record<string, unknown>>;
      readonly cause: SentError | undefined;
      readonly errors: readonly SentError[] | undefined;
    };

/** A chain of causes may go round in a circle. */
const deepest = 16;

type MakeError = new (message: string) => Error;

const classes: ReadonlyMap<string, MakeError> = new Map<string, MakeError>(
  Object.entries({
    EvalError,
    RangeError,
    ReferenceError,
    SyntaxError,
    TypeError,
    URIError,
    AmbientContextError,
    BrokenResourceError,
    ClosedResourceError,
    DeadlockError,
    EndOfStream,
    IncompleteRead,
    InternalError,
    RunFinishedError,
    TimeoutError,
    UsageError,
    WouldBlock,
  }),
);

export function packError(error: unknown): SentError {
  try {
    return pack(error, 0);
  } catch {
    // It has getters that throw.
    return { isError: false, value: "an error that cannot be shown" };
  }
}

function pack(error: unknown, depth: number): SentError {
  if (!(error instanceof Error)) return { isError: false, value: isPlain(error) ? error : String(error) };
  // Anybody can have set them to anything.
  const { name, message, stack, cause } = error as { readonly [K in keyof Error]: unknown };
  const inner = (value: unknown): SentError => pack(value, depth + 1);
  const isDeep = depth >= deepest;
  return {
    isError: true,
    name: String(name),
    message: String(message),
    stack: typeof stack === "string" ? stack : undefined,
    properties: Object.fromEntries(
      Object.entries(error).filter(([key, value]) => !described.has(key) && isPlain(value)),
    ),
    cause: cause === undefined || isDeep ? undefined : inner(cause),
    errors: error instanceof AggregateError && !isDeep ? error.errors.map(inner) : undefined,
  };
}

export function unpackError(sent: SentError): unknown {
  if (!sent.isError) return sent.value;
  const { name, message, stack, properties, cause, errors } = sent;
  const Class = classes.get(name) ?? Error;
  const error =
    errors === undefined ? new Class(message) : new AggregateError(errors.map(unpackError), message);
  if (error.name !== name) define(error, "name", name);
  if (stack !== undefined) define(error, "stack", stack);
  if (cause !== undefined) define(error, "cause", unpackError(cause));
  return Object.assign(error, properties);
}

const described: ReadonlySet<string> = new Set(["name", "message", "stack", "cause", "errors"]);

function define(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, configurable: true, writable: true });
}

/** Whether a clone of it is the same. */
function isPlain(value: unknown): boolean {
  return value === null || !["object", "function", "symbol"].includes(typeof value);
}
