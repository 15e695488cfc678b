/**
 * What the system refuses, said in a sentence: every error of a socket has the system's code, what was tried, and what
 * can be done about it.
 *
 * Invariant: the system's own error is always the `cause`.
 */
import { AnyloopError } from "@anyloop/core";

/** The system refused something. `code` is its own name for why (`ECONNREFUSED`); `cause` is its own error. */
export abstract class SystemError extends AnyloopError {
  readonly code: string;

  constructor(attempt: string, cause: unknown) {
    super(explain(attempt, cause), { cause });
    this.code = codeOf(cause);
  }
}

/** A host name has no address that could be found: `ENOTFOUND`, or `EAI_AGAIN` if no name server answered. */
export class ResolveError extends SystemError {
  override readonly name = "ResolveError";
}

/** Nobody could be connected to: `ECONNREFUSED`, `ENOENT`, `EACCES`, `ETIMEDOUT`, … */
export class ConnectError extends SystemError {
  override readonly name = "ConnectError";
  /** What each attempt failed with, in the order of the attempts; one for each address of a host. */
  readonly errors: readonly unknown[];

  constructor(attempt: string, errors: readonly unknown[]) {
    super(attempt, errors[0]);
    this.errors = errors;
  }
}

/** An address could not be bound: `EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`, … */
export class BindError extends SystemError {
  override readonly name = "BindError";
}

/** The `code` of whatever was thrown; `UNKNOWN` if it has none. */
export function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === "string" ? code : "UNKNOWN";
}

/** What a person can do about it. */
const advice: Readonly<Record<string, string>> = {
  EACCES: "Permission was denied: ports below 1024 and other people's files need more rights.",
  EPERM: "The system does not permit it to this user.",
  EADDRINUSE:
    "Another program is using this address. End it, or take another one (port 0 takes a free port).",
  EADDRNOTAVAIL: "This machine does not have that address.",
  EAFNOSUPPORT: "This machine does not speak that family of addresses.",
  ECONNREFUSED: "Nobody is listening there. Start the server, or correct the address.",
  ECONNRESET: "The other side broke the connection off.",
  EHOSTUNREACH: "No route leads to that host.",
  ENETUNREACH: "No route leads to that network.",
  ETIMEDOUT: "Nobody answered in time.",
  ENOENT: "There is no such file.",
  ENOTSOCK: "That file is not a socket.",
  ENOTFOUND: "No such host is known. Check the spelling.",
  EAI_AGAIN: "No name server answered. Check the network, or try again.",
  EMFILE: "This process has too many files open.",
  ENFILE: "This machine has too many files open.",
};

/** What was tried, how it ended and what can be done, in one line. */
export function explain(attempt: string, cause: unknown): string {
  const code = codeOf(cause);
  const why = advice[code] ?? (cause instanceof Error ? cause.message : String(cause));
  return `${attempt} (${code}). ${why}`;
}
