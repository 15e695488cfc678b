/**
 * What the command line asks for.
 *
 * Invariant: whatever leaves here has been checked; every mistake is a `UserError` that says what to write instead.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type BackendName, backends } from "./backends.ts";
import type { Endpoint } from "./endpoint.ts";
import type { LoadOptions } from "./load.ts";
import type { ServeOptions } from "./serve.ts";
import { UserError } from "./user-error.ts";

export type Command =
  | { readonly kind: "help" }
  | {
      readonly kind: "serve";
      readonly options: Omit<ServeOptions, "tell">;
      readonly backend: BackendName;
    }
  | {
      readonly kind: "load";
      readonly options: LoadOptions;
      readonly backend: BackendName;
      readonly json: boolean;
    }
  | { readonly kind: "compare"; readonly quick: boolean; readonly json: boolean };

const defaults = { host: "127.0.0.1", port: 7007, connections: 100, size: 1_000, pipelined: 1, seconds: 5 };

export const help = `An echo server, and a client to load it.

  anyloop-echo serve [options]                      echo until Ctrl+C
  anyloop-echo load [options]                       load a server, print requests a second and latencies
  anyloop-echo load --compare [--quick] [--json]    raw node:net callbacks, for await over the socket, our two backends:
                                                    CPU time of the server for each request, and ratios

Where:
  --host NAME       (${defaults.host})
  --port N          (${defaults.port})
  --unix PATH       a Unix socket instead
  --tls             speak TLS
  --key FILE, --cert FILE   of the server, PEM
  --ca FILE         whom the client trusts beside the system's authorities, PEM
  --insecure        the client takes any certificate

How:
  --backend NAME    kernel or native (kernel)
  --connections N   of the client (${defaults.connections})
  --size BYTES      of a message (${defaults.size})
  --pipelined N     messages sent before their answers are waited for (${defaults.pipelined})
  --seconds N       how long the client goes on (${defaults.seconds})
  --quick           compare in under a minute
  --json            print JSON
  --help

Exit code: 0 done, 2 a mistake in what was asked for or nobody to talk to, 130 stopped by Ctrl+C.`;

const flags = {
  host: { type: "string" },
  port: { type: "string" },
  unix: { type: "string" },
  tls: { type: "boolean" },
  key: { type: "string" },
  cert: { type: "string" },
  ca: { type: "string" },
  insecure: { type: "boolean" },
  backend: { type: "string" },
  connections: { type: "string" },
  size: { type: "string" },
  pipelined: { type: "string" },
  seconds: { type: "string" },
  compare: { type: "boolean" },
  quick: { type: "boolean" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

type Values = ReturnType<typeof parse>["values"];

export function parseCommandLine(args: readonly string[]): Command {
  const { values, positionals } = parse(args);
  const [verb, ...more] = positionals;
  if (values.help === true || verb === undefined) return { kind: "help" };
  if (more.length > 0 || (verb !== "serve" && verb !== "load")) {
    throw new UserError(`Give "serve" or "load", not ${JSON.stringify(positionals.join(" "))}.`);
  }
  const { json = false, quick = false } = values;
  if (verb === "load" && values.compare === true) return { kind: "compare", quick, json };
  const endpoint = endpointOf(values);
  const backend = backendOf(values);
  if (verb === "serve") {
    const { key, cert } = values;
    if (values.tls === true && (key === undefined || cert === undefined)) {
      throw new UserError("A server with TLS needs --key FILE and --cert FILE.");
    }
    const security =
      values.tls === true ? { key: contentOf("key", key), cert: contentOf("cert", cert) } : undefined;
    return { kind: "serve", options: { endpoint, security }, backend };
  }
  const options: LoadOptions = {
    endpoint,
    security: values.tls === true ? trust(values, endpoint) : undefined,
    connections: wholeNumber("connections", values.connections, 1, defaults.connections),
    size: wholeNumber("size", values.size, 1, defaults.size),
    pipelined: wholeNumber("pipelined", values.pipelined, 1, defaults.pipelined),
    milliseconds: wholeNumber("seconds", values.seconds, 1, defaults.seconds) * 1_000,
  };
  return { kind: "load", options, backend, json };
}

function trust({ ca, insecure }: Values, endpoint: Endpoint): LoadOptions["security"] {
  return {
    hostname: endpoint.kind === "tcp" ? endpoint.host : "localhost",
    verify: insecure !== true,
    ...(ca === undefined ? {} : { ca: contentOf("ca", ca) }),
  };
}

function endpointOf({ unix, host, port }: Values): Endpoint {
  if (unix === undefined) {
    return { kind: "tcp", host: host ?? defaults.host, port: wholeNumber("port", port, 0, defaults.port) };
  }
  if (host === undefined && port === undefined) return { kind: "unix", path: unix };
  throw new UserError("--unix takes the place of --host and --port: give one or the other.");
}

function backendOf({ backend = "kernel" }: Values): BackendName {
  if (backend in backends) return backend as BackendName;
  const names = Object.keys(backends).join(", ");
  throw new UserError(`There is no backend ${JSON.stringify(backend)}. Give one of: ${names}.`);
}

function contentOf(flag: string, file = ""): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new UserError(`--${flag} cannot be read: ${(error as Error).message}.`);
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: flags, allowPositionals: true, strict: true });
  } catch (error) {
    const [sentence] = (error as Error).message.split(/\.\s|\n/);
    throw new UserError(`${String(sentence)}. "anyloop-echo --help" lists the options.`);
  }
}

function wholeNumber(flag: string, given: string | undefined, least: number, fallback: number): number {
  if (given === undefined) return fallback;
  const value = Number(given);
  if (/^\d+$/.test(given) && Number.isSafeInteger(value) && value >= least) return value;
  throw new UserError(
    `--${flag} ${JSON.stringify(given)} is not possible. Give a whole number, ${least} or more.`,
  );
}
