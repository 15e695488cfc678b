/**
 * What the command line asks for.
 *
 * Invariant: whatever leaves here has been checked; every mistake is a `UserError` that says what to write instead.
 */
import { parseArgs } from "node:util";
import { UserError } from "./user-error.ts";

export interface Command {
  readonly host: string;
  readonly port: number;
  /** A file that lists the sources. */
  readonly sources: string | undefined;
  readonly interval: number;
  readonly timeout: number;
  readonly limit: number;
  readonly seed: number;
  readonly once: boolean;
  readonly json: boolean;
}

const defaults = { host: "127.0.0.1", port: 8080, interval: 1_000, timeout: 1_500, limit: 8, seed: 1 };

export const help = `A page that shows the prices of several sources, live.

  anyloop-dashboard [options]

  --sources FILE    whom to ask: JSON, [{ "name": "one", "url": "https://…", "path": ["data", "price"] }, …]
                    (bundled sources, with faults of their own)
  --interval MS     between an answer and the next question (${defaults.interval})
  --timeout MS      that a source has to answer (${defaults.timeout})
  --limit N         questions under way at once (${defaults.limit})
  --seed N          of the bundled sources: the same prices and faults each time (${defaults.seed})
  --host NAME       (${defaults.host})
  --port N          0 takes a free one (${defaults.port})
  --once            start, look at oneself as a browser would, and end
  --json            with --once: print JSON
  --help

Exit code: 0 done, 1 --once has found something wrong, 2 a mistake in what was asked for, 130 stopped by Ctrl+C.`;

const flags = {
  sources: { type: "string" },
  interval: { type: "string" },
  timeout: { type: "string" },
  limit: { type: "string" },
  seed: { type: "string" },
  host: { type: "string" },
  port: { type: "string" },
  once: { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: flags, strict: true }).values;
  } catch (error) {
    const [sentence] = (error as Error).message.split(/\.\s|\n/);
    throw new UserError(`${String(sentence)}. "anyloop-dashboard --help" lists the options.`);
  }
}

function wholeNumber(flag: string, text: string | undefined, least: number, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
  throw new UserError(`--${flag} is ${JSON.stringify(text)}. Give a whole number, ${least} or more.`);
}

/** Undefined if help is asked for. @throws UserError. */
export function parseCommandLine(args: readonly string[]): Command | undefined {
  const values = parse(args);
  if (values.help === true) return undefined;
  const { once = false, json = false, host = defaults.host, sources } = values;
  if (json && !once) throw new UserError("--json goes with --once.");
  const port = wholeNumber("port", values.port, 0, once ? 0 : defaults.port);
  if (port > 65_535) throw new UserError(`--port is ${port}. Ports end at 65535.`);
  return {
    host,
    port,
    sources,
    interval: wholeNumber("interval", values.interval, 1, defaults.interval),
    timeout: wholeNumber("timeout", values.timeout, 1, defaults.timeout),
    limit: wholeNumber("limit", values.limit, 1, defaults.limit),
    seed: wholeNumber("seed", values.seed, 0, defaults.seed),
    once,
    json,
  };
}
