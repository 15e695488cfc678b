/** `test` of the vitest integration, used as its users do. */
import {
  currentEffectiveDeadline,
  currentTask,
  failAfter,
  fromPromise,
  now,
  run,
  sleep,
  taskGroup,
  TaskLocal,
  type Task,
} from "@anyloop/core";
import { checkpoint, replaceDefaultBackend } from "@anyloop/core/lowlevel";
import { kernel } from "@anyloop/kernel";
import { describe, expect, expectTypeOf, test as plainTest } from "vitest";
import { test } from "@anyloop/testing/vitest";
import { hasAsyncBodies } from "../each.ts";

test("a generator body runs in a task", function* () {
  yield* checkpoint();
  expect(currentTask().status).toBe("running");
});

test.runIf(hasAsyncBodies)("an async body runs in a task", async () => {
  await checkpoint();
  expect(currentTask().status).toBe("running");
});

test("an operation is a body", sleep(1));

test("a body is given vitest's context and what it runs on", function* ({ context, backend, seed }) {
  expect(context.task.name).toContain("a body is given");
  expect(context.task.name.includes("seed")).toBe(seed !== undefined);
  expect(["native", "kernel"]).toContain(backend.name);
});

const user = new TaskLocal<string>({ default: "nobody" });
const order: string[] = [];

const withServer = test.extend({
  server: (_, use) =>
    taskGroup(function* (group) {
      const requests: string[] = [];
      const task = group.startSoon(function* () {
        for (;;) {
          requests.push("served");
          yield* sleep(10);
        }
      });
      const used = yield* use({ requests, task });
      group.cancel();
      return used;
    }),
});

const withUser = withServer.extend({
  user: function* ({ server }, use) {
    expect(server.task.status).toBe("pending");
    order.push("set up");
    try {
      return yield* failAfter(5000, user.with("ada", use("ada")));
    } finally {
      order.push("cleaned up");
    }
  },
});

withUser("fixtures are around the body: its scopes, tasks and task-locals hold", function* (fixtures) {
  expectTypeOf(fixtures.server.task).toEqualTypeOf<Task<never>>();
  expectTypeOf(fixtures.user).toEqualTypeOf<string>();
  expect(user.get()).toBe(fixtures.user);
  expect(currentEffectiveDeadline()).toBeLessThanOrEqual(now() + 5000);
  while (fixtures.server.requests.length < 2) yield* sleep(5);
  expect(order.at(-1)).toBe("set up");
});

const asyncFixture = test.extend({
  port: async (_, use) => {
    user.set("grace");
    return await use(8080);
  },
});

asyncFixture.runIf(hasAsyncBodies)("a fixture in async style", async ({ port }) => {
  expectTypeOf(port).toEqualTypeOf<number>();
  await sleep(1);
  expect([port, user.get()]).toEqual([8080, "grace"]);
});

describe("each and for", () => {
  test.each([
    [1, 2, 3],
    [4, 5, 9],
  ])("%i + %i = %i", function* (a, b, sum) {
    yield* checkpoint();
    expect(a + b).toBe(sum);
  });

  asyncFixture.runIf(hasAsyncBodies).for([{ name: "a" }, { name: "b" }])(
    "a row called $name",
    function* ({ name }, { port }) {
      expect([name, port]).toContain(8080);
    },
  );
});

test.fails("a test that is expected to fail", function* () {
  yield* checkpoint();
  throw new Error("as expected");
});

let fired = 0;

test.fails("a timer that is left behind fails the test", () => {
  setTimeout(() => fired++, 300);
});
test.fails("an error that nobody handled fails the test", () => {
  void Promise.reject(new Error("nobody's"));
});
test("a timer that was left behind does not fire afterwards", { backends: ["kernel"] }, function* () {
  yield* fromPromise(new Promise((resolve) => setTimeout(resolve, 350)));
  expect(fired).toBe(0);
});

test.with({ backends: ["virtual", "seeds"], seeds: 3, seed: 7 })(
  "the backends of a test can be chosen",
  function* ({ backend, seed }) {
    expect(backend.name).toBe("kernel");
    expect([undefined, 7, 8, 9]).toContain(seed);
    yield* sleep(1_000_000);
  },
);

test.runIf(hasAsyncBodies)(
  "a run inside a test runs on the same kind of backend, on a clock of its own",
  async () => {
    await run(sleep(20));
  },
);

let opened = 0;
const mine = kernel();
replaceDefaultBackend({
  name: "mine",
  open(options) {
    opened++;
    return mine.open(options);
  },
});

test("in a test the default backend is that of the test", function* () {
  yield* fromPromise(run(sleep(0)));
  expect(opened).toBe(0);
});
plainTest("after a test the default backend is the one from before", async () => {
  await run(sleep(0));
  await sleep(0);
  expect(opened).toBe(2);
});
