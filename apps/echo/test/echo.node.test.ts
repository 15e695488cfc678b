/** The program as a user starts it: serve, load, Ctrl+C, mistakes, and a short soak. */
import { fileURLToPath } from "node:url";
import { type CompletedProcess, openProcess, runProcess, tempDirectory } from "@anyloop/io";
import { type Coroutine, forEach, linesOf, type Operation, operation, run, use } from "anyloop";
import { expect, test } from "vitest";
import { authority, certificate, key } from "../../../tools/test-support/certificates.ts";

type Program = readonly [string, ...string[]];

function program(file: string, ...args: readonly string[]): Program {
  const path = fileURLToPath(new URL(`../src/${file}`, import.meta.url));
  return [process.execPath, "--expose-gc", "--conditions=@anyloop/source", path, ...args];
}

const echo = (...args: readonly string[]): Operation<CompletedProcess> =>
  runProcess(program("main.ts", ...args), { check: false });

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

interface Outcome {
  readonly requests: number;
  readonly p50: number;
  /** Of the server. */
  readonly exitCode: number | undefined;
  readonly complaints: readonly string[];
}

/** Loads a server for a second, then presses Ctrl+C. `load` is told where the server says that it is. */
const serveAndLoad = operation(function* serveAndLoad(
  serve: readonly string[],
  load: (at: string) => readonly string[],
): Coroutine<Outcome> {
  return yield* use(
    openProcess(program("main.ts", "serve", ...serve)),
    function* (server): Coroutine<Outcome> {
      const greeting = yield* linesOf(server.stdout).receive();
      const at = /^Echoing on (.+?)(?: with TLS)?\. Ctrl\+C ends it\.$/.exec(greeting)?.[1] ?? "";
      const loaded = yield* echo("load", ...load(at), "--seconds", "1", "--connections", "3", "--json");
      expect([loaded.exitCode, text(loaded.stderr)]).toEqual([0, ""]);
      const { requests, latency } = JSON.parse(loaded.text()) as {
        requests: number;
        latency: { p50: number };
      };
      server.sendSignal("SIGINT");
      const { exitCode } = yield* server.wait();
      const complaints: string[] = [];
      yield* forEach(linesOf(server.stderr), (line) => void complaints.push(line));
      return { requests, p50: latency.p50, exitCode, complaints };
    },
  );
});

function expectGood({ requests, p50, exitCode, complaints }: Outcome): void {
  expect(requests).toBeGreaterThan(0);
  expect(p50).toBeGreaterThan(0);
  expect([exitCode, complaints]).toEqual([130, []]);
}

const portIn = (at: string): string => at.split(" ").at(-1) ?? "";

for (const backend of ["kernel", "native"]) {
  test(`TCP: the load is answered, and Ctrl+C ends the server in silence [${backend}]`, async () => {
    const how = ["--backend", backend];
    const outcome = await run(
      serveAndLoad(["--port", "0", ...how], (at) => ["--port", portIn(at), "--pipelined", "4", ...how]),
    );
    expectGood(outcome);
    expect(outcome.requests % 4).toBe(0);
  });
}

test("a Unix socket, and TLS", async () => {
  await run(() =>
    use(tempDirectory(), function* (directory) {
      const at = directory.join("socket").path;
      expectGood(yield* serveAndLoad(["--unix", at], () => ["--unix", at]));
      for (const [name, content] of Object.entries({ key, certificate, authority })) {
        yield* directory.join(name).write(content);
      }
      const [keyFile, certificateFile, authorityFile] = ["key", "certificate", "authority"].map(
        (name) => directory.join(name).path,
      ) as [string, string, string];
      const server = [
        "--port",
        "0",
        "--host",
        "localhost",
        "--tls",
        "--key",
        keyFile,
        "--cert",
        certificateFile,
      ];
      expectGood(
        yield* serveAndLoad(server, (where) => [
          "--port",
          portIn(where),
          "--host",
          "localhost",
          "--tls",
          "--ca",
          authorityFile,
        ]),
      );
    }),
  );
});

const mistakes: readonly (readonly [sentence: RegExp, ...args: string[]])[] = [
  [/^anyloop-echo: Give "serve" or "load", not "sing"\./, "sing"],
  [/^anyloop-echo: Unknown option '--prot'/, "serve", "--prot", "1"],
  [/^anyloop-echo: --size "0" is not possible\. Give a whole number, 1 or more\./, "load", "--size", "0"],
  [/^anyloop-echo: A server with TLS needs --key FILE and --cert FILE\./, "serve", "--tls"],
  [/^anyloop-echo: There is no backend "asyncio"\./, "load", "--backend", "asyncio"],
  [/^anyloop-echo: Connecting to 127\.0\.0\.1:1 failed \(ECONNREFUSED\)/, "load", "--port", "1"],
  [
    /^anyloop-echo: The TLS options cannot be used/,
    ..."serve --port 0 --tls --key package.json --cert package.json".split(" "),
  ],
];

for (const [sentence, ...args] of mistakes) {
  test(`a mistake is told in one line: ${args.join(" ")}`, async () => {
    const { exitCode, stdout, stderr } = await run(echo(...args));
    expect([exitCode, text(stdout)]).toEqual([2, ""]);
    expect(text(stderr)).toMatch(sentence);
    expect(text(stderr).trim().split("\n")).toHaveLength(1);
  });
}

test("--help, and nothing at all, say what there is", async () => {
  for (const args of [["--help"], []]) {
    const { exitCode, stdout } = await run(echo(...args));
    expect(exitCode).toBe(0);
    expect(text(stdout)).toContain("anyloop-echo serve [options]");
  }
});

test("a short soak leaves nothing behind", async () => {
  const { stdout } = await run(runProcess(program("soak.ts", "--connections", "400", "--json")));
  expect(JSON.parse(text(stdout))).toMatchObject({ isClean: true, leftHandles: [], unhandledRejections: [] });
});
