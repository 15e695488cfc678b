/**
 * What the command line asks for.
 *
 * Invariant: whatever leaves here has been checked; every mistake is a `UserError` that says what to write instead.
 */
import { parseArgs } from "node:util";
import { backendChoices, type BackendName } from "./backends.ts";
import { defaults, type FetchOptions } from "./fetch-all.ts";
import { UserError } from "./user-error.ts";

export interface FetchCommand {
  readonly kind: "fetch";
  /** As written; not checked yet. */
  readonly urls: readonly string[];
  /** Where more URLs are; `-` is standard input. */
  readonly file: string | undefined;
  readonly backends: readonly BackendName[];
  readonly options: FetchOptions;
  /** The folder that bodies are saved in. */
  readonly output: string | undefined;
  /** A file that says what they should be. */
  readonly checksums: string | undefined;
  readonly json: boolean;
}

interface DemoCommand {
  readonly kind: "demo";
  readonly json: boolean;
}

export type Command = FetchCommand | DemoCommand | { readonly kind: "help" } | { readonly kind: "version" };

export const help = `Fetches many URLs at once, within limits.

  anyloop-fetch [options] URL...      fetch these
  anyloop-fetch [options] < FILE      fetch what standard input lists, one URL a line
  anyloop-fetch demo [--json]         fetch from a faulty server on this machine, on both backends

Without URLs on a terminal it is the demo.

  --file FILE       more URLs, one a line; "-" is standard input; lines that begin with # are skipped
  --total N         requests under way at most (${defaults.total})
  --per-host N      requests under way at most to one host (${defaults.perHost})
  --timeout MS      milliseconds for each try (${defaults.timeout})
  --retries N       how often a URL is tried again after a timeout, a broken connection, 408, 429 or 5xx (${defaults.retries})
  --backoff MS      milliseconds before the first retry, then twice as many each time (${defaults.backoff})
  --max-bytes N     size from which on a body is given up (${defaults.maxBytes}; with --output no limit)
  --output DIR      save the bodies there, each under the last name in its URL; a part that an earlier try has left is
                    gone on with, if the server says that it is still the same
  --checksums FILE  what they should be, as sha256sum writes it; one that differs is not saved
  --backend NAME    kernel, native, or both, one after the other (kernel)
  --json            print JSON instead of a table
  --help, --version

Exit code: 0 all URLs were fetched (demo: the backends agree), 1 not all were, 2 a mistake in what was asked for,
130 stopped by Ctrl+C.`;

const flags = {
  file: { type: "string" },
  total: { type: "string" },
  "per-host": { type: "string" },
  timeout: { type: "string" },
  retries: { type: "string" },
  backoff: { type: "string" },
  "max-bytes": { type: "string" },
  output: { type: "string" },
  checksums: { type: "string" },
  backend: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean" },
} as const;

/** @param isInteractive whether a person sits at standard input: then no URLs means the demo. */
export function parseCommandLine(args: readonly string[], isInteractive: boolean): Command {
  const { values, positionals } = parse(args);
  const { json = false, file } = values;
  if (values.help === true) return { kind: "help" };
  if (values.version === true) return { kind: "version" };
  if (isDemo(positionals, file === undefined && isInteractive)) return demoCommand(values);
  const backends = backendsNamed(values.backend ?? "kernel");
  const { output, checksums } = values;
  if (output !== undefined && backends.length > 1) {
    throw new UserError("--output goes with one backend: the second would find every file there already.");
  }
  if (checksums !== undefined && output === undefined) throw new UserError("--checksums goes with --output.");
  return {
    kind: "fetch",
    urls: positionals,
    file: positionals.length === 0 ? (file ?? "-") : file,
    backends,
    output,
    checksums,
    options: {
      total: wholeNumber("total", values.total, 1, defaults.total),
      perHost: wholeNumber("per-host", values["per-host"], 1, defaults.perHost),
      timeout: wholeNumber("timeout", values.timeout, 1, defaults.timeout),
      retries: wholeNumber("retries", values.retries, 0, defaults.retries),
      backoff: wholeNumber("backoff", values.backoff, 0, defaults.backoff),
      maxBytes: wholeNumber(
        "max-bytes",
        values["max-bytes"],
        0,
        output === undefined ? defaults.maxBytes : Infinity,
      ),
    },
    json,
  };
}

function isDemo(positionals: readonly string[], isNothingElseToRead: boolean): boolean {
  return positionals.length === 0
    ? isNothingElseToRead
    : positionals.length === 1 && positionals[0] === "demo";
}

function demoCommand({ json = false, ...others }: { readonly json?: boolean }): DemoCommand {
  const [flag] = Object.keys(others);
  if (flag === undefined) return { kind: "demo", json };
  throw new UserError(
    `The demo takes no --${flag}: its pages and limits are fixed. Leave it out, or give URLs to fetch.`,
  );
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: flags, allowPositionals: true, strict: true });
  } catch (error) {
    throw mistakeIn(error as NodeJS.ErrnoException);
  }
}

function mistakeIn({ code, message }: NodeJS.ErrnoException): UserError {
  // What Node adds here is advice for arguments that begin with a dash; no URL does.
  const [sentence = message] =
    code === "ERR_PARSE_ARGS_UNKNOWN_OPTION" ? message.split(". ") : [message.replaceAll("\n", " ")];
  return new UserError(`${sentence.replace(/\.$/, "")}. "anyloop-fetch --help" lists the options.`);
}

function wholeNumber(
  flag: keyof typeof flags,
  text: string | undefined,
  least: number,
  fallback: number,
): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
  throw new UserError(
    `--${flag} ${JSON.stringify(text)} is not possible. Give a whole number, ${least} or more.`,
  );
}

function backendsNamed(name: string): readonly BackendName[] {
  const backends = backendChoices.get(name);
  if (backends !== undefined) return backends;
  const names = [...backendChoices.keys()].join(", ");
  throw new UserError(`There is no backend ${JSON.stringify(name)}. Give one of: ${names}.`);
}
