/**
 * What travels to another thread or process: functions as source or by name, arguments as clones, errors back.
 *
 * Invariant: what cannot travel is refused with a sentence that says what to do instead, as early as it can be known.
 */
import * as paths from "node:path";
import { pathToFileURL } from "node:url";
import { UsageError } from "@anyloop/core";
import { ModuleError } from "./system-error.ts";
import { restoreError, type SentError } from "./worker-side.ts";

/** A function that a module exports, to be found there by the other side. */
export interface ModuleFunction {
  /** Where the module is: `new URL("./work.js", import.meta.url)`, or an absolute path. */
  readonly module: string | URL;
  /** What it is exported as; "default" if not given. */
  readonly name?: string | undefined;
}

type AnyFunction = (...args: never[]) => unknown;

/** How the other side finds a function. */
export interface Travelling {
  readonly source: string | undefined;
  readonly module: string | undefined;
  readonly name: string;
}

const sources = new WeakMap<AnyFunction, string>();

function canBeParsed(source: string): boolean {
  try {
    // oxlint-disable-next-line typescript/no-implied-eval -- Compiled to see whether it can be; never called.
    return typeof new Function(`return (${source});`) === "function";
  } catch {
    return false;
  }
}

function readSource(work: AnyFunction): string {
  const source = Function.prototype.toString.call(work);
  const title = titleOf(work);
  if (/\{\s*\[native code\]\s*\}$/.test(source)) {
    throw new UsageError(
      `${title} has no source that could travel: it is built in or bound. Wrap it in a function.`,
    );
  }
  if (/^(?:async\s*)?function\s*\*|^class\b/.test(source)) {
    throw new UsageError(
      `${title} is a generator function or a class, and no loop runs it in a worker. Pass a plain or an async function.`,
    );
  }
  if (!canBeParsed(source)) {
    throw new UsageError(
      `${title} is written as a method. Write it as \`function\` or with an arrow, so that it can travel.`,
    );
  }
  return source;
}

function sourceOf(work: AnyFunction): string {
  let source = sources.get(work);
  if (source === undefined) {
    source = readSource(work);
    sources.set(work, source);
  }
  return source;
}

function titleOf(work: AnyFunction): string {
  return work.name === "" ? "The function" : `The function ${work.name}`;
}

function moduleUrl(module: string | URL): string {
  if (module instanceof URL) return module.href;
  if (paths.isAbsolute(module)) return pathToFileURL(module).href;
  if (URL.canParse(module)) return module;
  throw new UsageError(
    `The module ${JSON.stringify(module)} cannot be found from a worker. Give new URL("./work.js", import.meta.url), or import.meta.resolve("package").`,
  );
}

/** @throws UsageError for what cannot travel. */
export function travelling(work: AnyFunction | ModuleFunction): Travelling {
  if (typeof work === "function") return { source: sourceOf(work), module: undefined, name: work.name };
  const { module, name = "default" } = work;
  return { source: undefined, module: moduleUrl(module), name };
}

/** What a worker said when it could not load the module. */
export function notLoaded(failure: SentError, { module }: Travelling): ModuleError {
  return new ModuleError(`Loading the module ${String(module)} in a worker failed`, restoreError(failure));
}

/** An error that came back, with its name and what else it had. */
export function arrived(failure: SentError, work: Travelling): unknown {
  const { error, unbound } = failure;
  if (unbound !== undefined) {
    const title = work.name === "" ? "The function" : `The function ${work.name}`;
    return new UsageError(
      `${title} uses ${JSON.stringify(unbound)}, which is not there in a worker: a function travels as its source, without what surrounds it. ` +
        `Pass ${unbound} as an argument, import it inside the function with await import(…), or pass { module, name } of a function that a module exports.`,
      { cause: error },
    );
  }
  return restoreError(failure);
}
