/** `openProcess`: a program to talk with. */
import {
  type ByteReceiveStream,
  EndOfStream,
  linesOf,
  moveOnAfter,
  run,
  taskGroup,
  use,
} from "@anyloop/core";
import { kernel } from "@anyloop/kernel";
import { openProcess } from "@anyloop/io";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect, expectTypeOf, test } from "vitest";
import { caught, each } from "./each.ts";
import { encode, shell } from "./processes.ts";

each("talks with a process over its pipes", function* () {
  yield* use(openProcess(["cat"]), function* (cat) {
    const lines = linesOf(cat.stdout);
    yield* cat.stdin.send(encode("one\n"));
    expect(yield* lines.receive()).toBe("one");
    expect(cat.exitStatus).toBeUndefined();
    yield* cat.stdin.close();
    expect(yield* caught(lines.receive())).toBeInstanceOf(EndOfStream);
    expect(yield* cat.wait()).toEqual({ exitCode: 0, signal: undefined });
    expect(cat.exitStatus).toEqual({ exitCode: 0, signal: undefined });
    // After its end these do nothing.
    cat.terminate();
    cat.kill();
  });
});

each("what is ignored or inherited is no stream", function* () {
  yield* use(
    openProcess(shell("exit 0"), { stdin: "ignore", stdout: "ignore", stderr: "inherit" }),
    function* (child) {
      expect([child.stdin, child.stdout, child.stderr]).toEqual([undefined, undefined, undefined]);
    },
  );
});

test("the types know which streams there are", () => {
  const check = (): void => {
    expectTypeOf(openProcess(["cat"]))
      .resolves.toHaveProperty("stdin")
      .not.toEqualTypeOf<undefined>();
    const ignoring = openProcess(["cat"], { stdin: "ignore" });
    expectTypeOf(ignoring).resolves.toHaveProperty("stdin").toEqualTypeOf<undefined>();
    expectTypeOf(ignoring).resolves.toHaveProperty("stdout").toEqualTypeOf<ByteReceiveStream>();
    // @ts-expect-error An empty command names no program.
    void openProcess([]);
  };
  expect(check).toBeTypeOf("function");
});

test("cancelling wait() leaves the process alone", async () => {
  await run(
    function* () {
      yield* use(openProcess(["cat"]), function* (cat) {
        yield* moveOnAfter(10, cat.wait());
        expect(cat.exitStatus).toBeUndefined();
        yield* cat.stdin.close();
        expect((yield* cat.wait()).exitCode).toBe(0);
      });
    },
    { backend: kernel() },
  );
});

each("any number of tasks may wait for the end, also after it", function* () {
  yield* use(openProcess(["cat"]), function* (cat) {
    yield* taskGroup(function* (group) {
      const waiting = [1, 2, 3].map(() => group.startSoon(cat.wait()));
      yield* waitAllTasksBlocked();
      waiting[0]?.cancel();
      yield* cat.stdin.close();
      for (const task of waiting.slice(1)) expect((yield* task.join()).exitCode).toBe(0);
    });
    expect((yield* cat.wait()).exitCode).toBe(0);
  });
});

each("wait comes back when the process has ended, though somebody else still holds its pipes", function* () {
  yield* use(openProcess(shell("sleep 60 & echo $!")), function* (child) {
    const [grandchild] = (yield* linesOf(child.stdout).receive()).split("\n");
    expect((yield* child.wait()).exitCode).toBe(0);
    process.kill(Number(grandchild));
  });
});

each("close twice is close once", function* () {
  const child = yield* openProcess(["cat"]);
  yield* child.close();
  yield* child.close();
  expect(child.exitStatus?.exitCode).toBe(0);
});
