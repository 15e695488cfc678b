/** Tests that are to fail, or are not to run, for failing.node.test.ts to run: what it expects of their messages is written there. */
import {
  failAfter,
  fromPromise,
  moveOnAfter,
  run,
  shield,
  sleep,
  sleepForever,
  taskGroup,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { test } from "@anyloop/testing/vitest";
import { describe, expect } from "vitest";

test("an assertion", function* () {
  yield* checkpoint();
  expect(1).toBe(2);
});

/** Fails under the seeds for which the second task goes first. */
test.with({ backends: ["seeds"], seed: 100 })("a race", function* () {
  let first = "";
  yield* taskGroup((group) => {
    for (const name of ["a", "b"]) {
      group.startSoon(function* () {
        if (first === "") first = name;
      });
    }
  });
  expect(first).toBe("a");
});

const one = test.with({ backends: ["kernel"] });

one("a timeout", { timeout: 1000 }, function* () {
  const hung = function* hungHelper() {
    yield* sleepForever();
  };
  try {
    yield* taskGroup((group) => void group.startSoon(hung));
  } finally {
    console.log("the finally block ran");
  }
});

// Ends a twentieth of that time before vitest gives up, which is to be enough on a busy machine.
one("a clean-up that hangs", { timeout: 6000 }, function* () {
  yield* moveOnAfter(0, function* () {
    try {
      yield* sleepForever();
    } finally {
      yield* shield(fromPromise(new Promise(() => {})));
    }
  });
});

test.with({ backends: ["seeds"], seed: 1, timeout: 1000 })(
  "many runs that take too long together",
  function* () {
    yield* fromPromise(new Promise((resolve) => setTimeout(resolve, 100)));
  },
);

one("a body that vitest itself gives up", { timeout: 50 }, function* () {
  // Stops the whole program until that time is over.
  for (const start = performance.now(); performance.now() < start + 100;);
  yield* sleep(60_000);
});

one("a task of another run", function* () {
  void run(function* forgotten() {
    yield* sleep(60_000);
  });
});

one("a timer", function* () {
  setTimeout(function late() {}, 60_000);
});

one("an unhandled rejection", function* () {
  void Promise.reject(new Error("nobody's"));
});

one("an error of a callback", function* () {
  setTimeout(() => {
    throw new Error("thrown in a callback");
  }, 0);
  yield* sleep(5);
});

one.extend({
  swallowing: function* (_, use) {
    try {
      return yield* use(1);
    } catch {
      return undefined as never;
    }
  },
})("a swallowed failure", () => {
  throw new Error("the body's own");
});

one.extend({ forgetful: () => Promise.resolve(undefined as never) })("a fixture that does not use", () => {});

one.extend({
  hasty: (_, use) => failAfter(1, use(1)),
})("a fixture whose deadline passes", function* () {
  yield* sleep(60_000);
});

one.extend({
  failing: function* (_, use) {
    try {
      return yield* use(1);
    } finally {
      // oxlint-disable-next-line no-unsafe-finally -- a clean-up that fails is what is tested
      throw new Error("the clean-up failed");
    }
  },
})("a fixture whose clean-up fails too", () => {
  throw new Error("the body failed");
});

one.extend({ greedy: (_, use) => use(1).then(() => use(2)) })("a fixture that uses twice", () => {});

one("a body that fails and leaves a timer", () => {
  setTimeout(() => {}, 60_000);
  throw new Error("the body failed");
});

describe.concurrent("at once", () => {
  for (const name of ["one", "another"]) {
    one(name, function* () {
      yield* sleep(20);
    });
  }
});

one.skip("a skipped test", () => {
  throw new Error("ran");
});

one("a test that skips itself", function* ({ context }) {
  yield* checkpoint();
  context.skip("tested");
});

one.todo("a test to be written");

one("a test after all of them passes", function* () {
  yield* sleep(1);
});
