/**
 * What the system refuses, said in a sentence: what was tried, the system's code for why not, and what can be done.
 *
 * Invariant: the system's own error is always the `cause`.
 */
import { AnyloopError } from "@anyloop/core";

/** The system refused something. `code` is its own name for why (`ENOENT`); `cause` is the host's own error. */
export class SystemError extends AnyloopError {
  override readonly name: string = "SystemError";
  readonly code: string;
  /** The path or program it was about, if it was about one. */
  readonly path: string | undefined;

  constructor(attempt: string, cause: unknown, path: string | undefined = pathOf(cause)) {
    super(explain(attempt, cause), { cause });
    this.code = codeOf(cause);
    this.path = path;
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

/** An address could not be bound: `EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`, `ENOENT`, … */
export class BindError extends SystemError {
  override readonly name = "BindError";
}

/** A worker could not load a module: it or what it imports is missing (`ERR_MODULE_NOT_FOUND`), or it threw. */
export class ModuleError extends SystemError {
  override readonly name = "ModuleError";
}

/** The `code` of whatever was thrown; `UNKNOWN` if it has none. */
export function codeOf(error: unknown): string {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === "string" ? code : "UNKNOWN";
}

function pathOf(error: unknown): string | undefined {
  const { path } = (error ?? {}) as { path?: unknown };
  return typeof path === "string" ? path : undefined;
}

const certificateWanted = "The server wants a certificate of its client. Pass key and cert.";

/** What it means, and what a person can do about it. */
const advice: Readonly<Record<string, string>> = {
  E2BIG: "The arguments are too long.",
  EACCES: "Permission was denied: check who owns it and its mode.",
  EADDRINUSE:
    "Another program is using this address. End it, or take another one (port 0 takes a free port).",
  EADDRNOTAVAIL: "This machine does not have that address.",
  EAFNOSUPPORT: "This machine does not speak that family of addresses.",
  EAI_AGAIN: "No name server answered. Check the network, or try again.",
  EBUSY: "It is in use.",
  ECONNREFUSED: "Nobody is listening there. Start the server, or correct the address.",
  ECONNRESET: "The other side broke the connection off.",
  EEXIST: "It exists already.",
  EHOSTUNREACH: "No route leads to that host.",
  EISDIR: "It is a directory.",
  ELOOP: "Too many symbolic links lead to each other.",
  EMFILE: "This process has too many files open: close some, or raise the limit (ulimit -n).",
  ENAMETOOLONG: "The name is too long.",
  ENETUNREACH: "No route leads to that network.",
  ENFILE: "This machine has too many files open.",
  ENOENT: "It does not exist: check the name and where it is looked for.",
  ENOSPC: "The disk is full.",
  ENOTDIR: "A part of the path is not a directory.",
  ENOTEMPTY: "The directory is not empty.",
  ENOTFOUND: "No such host is known. Check the spelling.",
  ENOTSOCK: "That file is not a socket.",
  EPERM: "The system does not permit it to this user.",
  EROFS: "The file system is read-only.",
  ERR_SSL_TLSV1_ALERT_CERTIFICATE_REQUIRED: certificateWanted,
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: certificateWanted,
  ESPIPE: "It cannot be positioned: it is a pipe or a terminal.",
  ETIMEDOUT: "Nobody answered in time.",
};

/** What was tried, how it ended and what can be done, in one line. */
export function explain(attempt: string, cause: unknown): string {
  const code = codeOf(cause);
  const why = advice[code] ?? (cause instanceof Error ? cause.message : String(cause));
  return `${attempt} (${code}). ${why}`;
}
