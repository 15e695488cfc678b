/** Streams, portals and queues between real threads and processes. */
import { execFile, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { UniversalQueue } from "@anyloop/bridge";
import {
  type Port,
  portPortal,
  portQueue,
  portStream,
  servePortal,
  shareQueue,
} from "@anyloop/bridge-worker";
import { objectStreamConformance, registerCases } from "@anyloop/testing";
import {
  all,
  BrokenResourceError,
  type Coroutine,
  kernel,
  moveOnAfter,
  native,
  type Operation,
  run,
  sleep,
  taskGroup,
  UsageError,
} from "anyloop";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { caught, each, eachUnless, isBun, isDeno, noPrograms } from "./each.ts";
import { type OtherSide, otherSides } from "./other-sides.ts";
import type { Functions, HomeFunctions } from "./programs/other-side.ts";

function programAt(name: string): string {
  return fileURLToPath(new URL(`programs/${name}.ts`, import.meta.url));
}

const because = noPrograms === undefined ? "" : ` [${noPrograms}]`;

for (const [kind, start] of otherSides) {
  describe.skipIf(noPrograms !== undefined)(`at the other side ${kind}${because}`, () => {
    let side: OtherSide;
    let names: ReturnType<typeof portStream<string, never>>;
    let last = 0;
    beforeAll(() => {
      side = start();
      names = portStream<string, never>(side.port, { name: "relays" });
    });
    afterAll(async () => {
      await names.close();
      expect(side.port.listenerCount("message")).toBe(0);
      side.kill();
    });

    const portal = () => portPortal<Functions>(side.port);

    registerCases(
      test,
      objectStreamConformance(
        function* () {
          const name = String(++last);
          yield* names.send(name);
          return [
            portStream<number>(side.port, { name: `${name}.in`, capacity: 2 }),
            portStream<number, number>(side.port, { name: `${name}.out`, capacity: 2 }),
          ] as const;
        },
        { backends: ["native", "kernel"] },
      ),
    );

    each("functions of every style are called by name, several at once", function* () {
      const there = portal();
      const work = [there.call("slowly", 5), ...[1, 2, 3].map((value) => there.call("add", value, value))];
      expect(yield* all<Operation<unknown>>(work)).toEqual(["slow", 2, 4, 6]);
      yield* there.close();
    });

    each("an error crosses with its class, code and causes", function* () {
      const there = portal();
      const error = (yield* caught(there.call("fails"))) as RangeError & { code: string };
      expect(error).toBeInstanceOf(RangeError);
      expect(error).toMatchObject({ name: "RangeError", message: "far too far", code: "FAR" });
      expect(error.stack).toContain("other-side");
      expect(error.cause).toBeInstanceOf(TypeError);
      yield* there.close();
    });

    eachUnless(
      isDeno && kind === "a process",
      "Deno's processes refuse nothing that cannot be cloned",
      "what is not there, and what cannot be cloned, is a clear error",
      function* () {
        const there = portal();
        const missing = there.call("nowhere" as "cleaned");
        expect(String(yield* caught(missing))).toMatch(/UsageError: .*no function "nowhere".*add/);
        const inherited = there.call("constructor" as "cleaned");
        expect(String(yield* caught(inherited))).toMatch(/no function "constructor"/);
        expect(yield* caught(there.call("unclonable"))).toBeInstanceOf(UsageError);
        const argument = there.call("add", 1, (() => {}) as never);
        expect(yield* caught(argument)).toBeInstanceOf(UsageError);
        expect(yield* there.call("add", 1, 1)).toBe(2);
        yield* there.close();
      },
    );

    each("a cancelled call waits for its real end over there", function* () {
      const there = portal();
      const before = (yield* there.call("cleaned")).length;
      yield* moveOnAfter(10, there.call("stubborn"));
      expect((yield* there.call("cleaned")).length).toBe(before + 1);
      yield* there.close();
    });

    each("a value that comes though the call was cancelled wins", function* () {
      const there = portal();
      let value: string | undefined;
      yield* moveOnAfter(10, function* () {
        value = yield* there.call("winner");
      });
      expect(value).toBe("anyway");
      yield* there.close();
    });

    each("closing our side cancels what was called, and the calls that wait", function* () {
      const there = portal();
      yield* taskGroup(function* (group) {
        const calling = group.startSoon(() => caught(there.call("stubborn")));
        yield* sleep(10);
        yield* there.close();
        expect(String(yield* calling.join())).toMatch(/ClosedResourceError/);
      });
      const again = portal();
      while ((yield* again.call("cleaned")).length === 0) yield* sleep(5);
      yield* again.close();
    });

    each("both runs call each other", function* () {
      const there = portal();
      const home: HomeFunctions = { double: (value) => 2 * value };
      yield* taskGroup(function* (group) {
        group.startSoon(servePortal<HomeFunctions>(side.port, home, { name: "home" }));
        expect(yield* there.call("twice", 21)).toBe(42);
      });
      yield* there.close();
    });

    each("every item of a queue comes once, whoever gives up getting it", function* () {
      const queue = portQueue<number>(side.port);
      const got: number[] = [];
      yield* taskGroup(function* (group) {
        group.startSoon(function* () {
          for (let item = 0; item < 60; item++) yield* queue.put(item);
        });
        for (let getter = 0; getter < 3; getter++) {
          group.startSoon(function* () {
            for (let turn = 0; got.length < 60; turn++) {
              yield* moveOnAfter((turn + getter) % 3, function* () {
                got.push(yield* queue.get());
              });
            }
          });
        }
      });
      expect(got.sort((a, b) => a - b)).toEqual([...Array(60).keys()]);
      yield* queue.close();
    });

    test("promise code uses what tasks use", async () => {
      const there = portal();
      expect(await there.call("add", 20, 22)).toBe(42);
      await there.close();
    });
  });

  describe.skipIf(noPrograms !== undefined)(`${kind} that dies${because}`, () => {
    function* dying(end: (side: OtherSide) => Coroutine<void>): Coroutine<unknown[]> {
      const side = start();
      const names = portStream<string, string>(side.port, { name: "relays" });
      const there = portPortal<Functions>(side.port);
      yield* names.send("1");
      expect(yield* there.call("add", 1, 1)).toBe(2);
      const causes = yield* taskGroup(function* (group) {
        const waiting = [names.receive(), there.call("stubborn")].map((work) =>
          group.startSoon(() => caught(work as Operation<unknown>)),
        );
        yield* sleep(5);
        yield* end(side);
        const errors: unknown[] = [];
        for (const task of waiting) errors.push(yield* task.join());
        errors.push(yield* caught(names.send("2")), yield* caught(there.call("add", 1, 1)));
        return errors.map((error) => {
          expect(error).toBeInstanceOf(BrokenResourceError);
          return (error as Error).cause;
        });
      });
      expect(side.port.listenerCount("message")).toBe(0);
      return causes;
    }

    each("breaks its streams and portals with the cause when it is killed", function* () {
      for (const cause of yield* dying(function* (side) {
        side.kill();
      })) {
        expect(String(cause)).toMatch(/The (thread|process) ended with (code 1|SIGKILL)/);
      }
    });

    const keepsCrashed = isBun && kind === "a process";
    const reason = "Bun keeps a process alive that awaits at its top when it crashes";
    const name = "breaks them with its own error, or its code, when it crashes";
    eachUnless(keepsCrashed, reason, name, function* () {
      const causes = yield* dying(function* (side) {
        // A message of somebody else's on the same port.
        if ("postMessage" in side.port) side.port.postMessage("crash");
        else side.port.send("crash");
        yield* sleep(0);
      });
      for (const cause of causes) {
        expect(String(cause)).toMatch(/RangeError: it crashed|The process ended with code 1/);
      }
    });
  });
}

eachUnless(
  isDeno || noPrograms !== undefined,
  noPrograms ?? "Deno's processes speak JSON with big numbers",
  "a process that speaks only JSON is refused",
  function* () {
    const child = fork(programAt("other-side"), ["serve"], { serialization: "json", silent: true });
    expect(() => portStream(child as Port)).toThrow(/UsageError|serialization: "advanced"/);
    expect(child.listenerCount("message")).toBe(0);
    child.kill("SIGKILL");
    yield* sleep(0);
  },
);

eachUnless(
  noPrograms !== undefined,
  noPrograms ?? "",
  "nothing can be transferred to a process, and trying loses nothing",
  function* () {
    const [, startProcess] = otherSides[1] as (typeof otherSides)[number];
    const side = startProcess();
    const stream = portStream<ArrayBuffer, never>(side.port, { name: "relays" });
    const buffer = new ArrayBuffer(8);
    expect(yield* caught(stream.send(buffer, [buffer]))).toBeInstanceOf(UsageError);
    expect(buffer.byteLength).toBe(8);
    yield* stream.close();
    side.kill();
  },
);

test.skipIf(noPrograms !== undefined)(
  `open streams, portals and queues do not keep a process alive${because}`,
  async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ["--conditions=@anyloop/source", programAt("idle")],
      { timeout: 10_000 },
    );
    expect(stdout).toBe("sent\n");
    await run(sleep(0));
  },
);

test("what is put back by whoever hears that the other side is gone is not handed to that side", async () => {
  const { port1, port2 } = new MessageChannel();
  const owned = new UniversalQueue<string>();
  const jobs = portStream<string>(port1);
  shareQueue(port1, owned);
  const owner = run(
    function* () {
      expect(yield* caught(jobs.receive())).toBeInstanceOf(BrokenResourceError);
      yield* owned.put("the job of the dead");
    },
    { backend: kernel() },
  );
  const theirs = run(() => caught(portQueue<string>(port2).get()), { backend: native() });
  while (owned.statistics().waitingGet === 0) await new Promise((resolve) => void setTimeout(resolve, 1));
  port2.close();
  await owner;
  expect(owned.getNowait()).toBe("the job of the dead");
  expect(await theirs).toBeInstanceOf(BrokenResourceError);
});
