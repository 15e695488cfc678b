/** Whatever cannot be connected to, bound or looked up: a typed error with its cause, its code and a sentence. */
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fromPromise, type Operation, run, UsageError } from "@anyloop/core";
import { kernel } from "@anyloop/kernel";
import {
  BindError,
  ConnectError,
  connectTcp,
  connectUnix,
  listenTcp,
  listenUnix,
  ResolveError,
} from "@anyloop/io";
import { expect, test } from "vitest";
import { caught, each } from "../../../tools/test-support/each-real.ts";
import { noPrograms, runProgram } from "./program.ts";
import { inTemporaryDirectory, localhost, portOf } from "./sockets.ts";

interface TypedError {
  readonly work: () => Operation<unknown>;
  readonly type: abstract new (...args: never[]) => Error;
  readonly code: string | RegExp;
  readonly message: RegExp;
}

const failures: Readonly<Record<string, TypedError>> = {
  "nobody listens": {
    work: () => connectTcp("127.0.0.1", 1),
    type: ConnectError,
    code: "ECONNREFUSED",
    message: /Connecting to 127.0.0.1:1 failed \(ECONNREFUSED\). Nobody is listening there/,
  },
  "the host is unknown": {
    work: () => connectTcp("no-such-host.invalid", 80),
    type: ResolveError,
    code: /ENOTFOUND|EAI_AGAIN/,
    message: /Looking up no-such-host.invalid failed/,
  },
  "there is no socket file": {
    work: () => connectUnix("/no/such/socket"),
    type: ConnectError,
    code: "ENOENT",
    message: /Connecting to \/no\/such\/socket failed \(ENOENT\)/,
  },
  "a socket file cannot be made": {
    work: () => listenUnix("/no/such/directory/socket"),
    type: BindError,
    code: /ENOENT|EACCES/,
    message: /Listening on \/no\/such\/directory\/socket failed/,
  },
  "a directory is no socket": {
    work: () => connectUnix("/"),
    type: ConnectError,
    code: /ECONNREFUSED|ENOTSOCK|EACCES/,
    message: /Connecting to \/ failed/,
  },
  "a directory is in the way": {
    work: () => listenUnix("/"),
    type: BindError,
    code: /EADDRINUSE|EINVAL|EACCES/,
    message: /Listening on \/ failed/,
  },
  "nobody may make a socket there": {
    work: () => listenUnix("/proc/anyloop"),
    type: BindError,
    code: /EACCES|ENOENT|EPERM/,
    message: /Listening on \/proc\/anyloop failed/,
  },
  "the address to connect from is not of this machine": {
    work: () => connectTcp("127.0.0.1", 1, { localAddress: "192.0.2.7" }),
    type: ConnectError,
    code: /EADDRNOTAVAIL|EINVAL/,
    message: /Connecting to 127.0.0.1:1 failed/,
  },
  "an address is not of this machine": {
    work: () => listenTcp(0, { host: "192.0.2.1" }),
    type: BindError,
    // Deno's own word is EINVAL.
    code: /EADDRNOTAVAIL|EINVAL/,
    message: /Listening on 192.0.2.1:0 failed/,
  },
};

for (const [situation, { work, type, code, message }] of Object.entries(failures)) {
  each(`a typed error when ${situation}`, function* () {
    const error = (yield* caught(work())) as Error & { code: string };
    expect(error).toBeInstanceOf(type);
    expect(error.code).toMatch(code);
    expect(error.message).toMatch(message);
    expect(error.cause).toBeInstanceOf(Error);
  });
}

const misuses: Readonly<Record<string, () => Operation<unknown>>> = {
  "a port that is too high": () => connectTcp("127.0.0.1", 70_000),
  "a port below 0": () => connectTcp("127.0.0.1", -1),
  "half a port": () => listenTcp(1.5),
  "no port": () => listenTcp(Number.NaN, localhost),
  "an empty host": () => connectTcp("", 80),
  "no hosts": () => listenTcp(0, { host: [] }),
};

for (const [misuse, work] of Object.entries(misuses)) {
  each(`${misuse} is a UsageError`, function* () {
    expect(yield* caught(work())).toBeInstanceOf(UsageError);
  });
}

each("a typed error when the port is in use", function* () {
  const listener = yield* listenTcp(0, localhost);
  const error = (yield* caught(listenTcp(portOf(listener), localhost))) as BindError;
  expect(error).toBeInstanceOf(BindError);
  expect(error.code).toBe("EADDRINUSE");
  expect(error.message).toMatch(/Another program is using this address/);
  yield* listener.close();
});

/** Linux lets everybody take this port and higher ones. */
function lowestFreePort(): number {
  try {
    return Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8"));
  } catch {
    return 1024;
  }
}

const noRights =
  noPrograms ??
  ("Deno" in globalThis ? "Deno cannot become another user" : undefined) ??
  (process.getuid?.() === 0 ? undefined : "only root can become nobody");
test.skipIf(noRights !== undefined)(
  `a typed error for whatever is not permitted [${noRights ?? "as nobody"}]`,
  async () => {
    const body = inTemporaryDirectory(function* (directory) {
      const listener = yield* listenUnix(join(directory, "socket"));
      yield* fromPromise(writeFile(join(directory, "secret"), "x", { mode: 0o600 }));
      yield* fromPromise(mkdir(join(directory, "closed"), { mode: 0o700 }));
      yield* fromPromise(chmod(join(directory, "socket"), 0o600));
      yield* fromPromise(chmod(directory, 0o755));
      const { stdout, stderr } = yield* fromPromise(runProgram("no-rights.ts", [directory, "1"]));
      const portIsFree = lowestFreePort() <= 1;
      expect({ stderr, lines: stdout.trim().split("\n") }).toEqual({
        stderr: "",
        lines: [
          "read a file: SystemError EACCES",
          "make a file: SystemError EACCES",
          "run a program: SystemError EACCES",
          "run it there: SystemError EACCES",
          "make a socket: BindError EACCES",
          "use a socket: ConnectError EACCES",
          `take a port: ${portIsFree ? "was done" : "BindError EACCES"}`,
        ],
      });
      yield* listener.close();
    });
    await run(body, { backend: kernel() });
  },
);

test.skipIf(process.getuid?.() === 0 || lowestFreePort() <= 1)(
  "a typed error when the port is not permitted [root may do anything]",
  async () => {
    const error = await run(() => caught(listenTcp(1, localhost)), { backend: kernel() });
    expect(error).toBeInstanceOf(BindError);
    expect((error as BindError).code).toBe("EACCES");
  },
);
