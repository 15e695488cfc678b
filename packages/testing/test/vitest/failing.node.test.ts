/** How tests of the vitest integration fail: what their messages name, and that they leave the others alone. */
import path from "node:path";
import { beforeAll, expect, test } from "vitest";
import { runVitest } from "./vitest-run.ts";

const messages = new Map<string, string>();
let output = "";

beforeAll(async () => {
  const report = await runVitest(path.join(import.meta.dirname, "failing"));
  ({ output } = report);
  for (const { title, status, failureMessages } of report.testResults[0]?.assertionResults ?? []) {
    messages.set(title, [status, ...failureMessages].join("\n"));
  }
}, 60_000);

const expected: readonly [title: string, ...parts: (string | RegExp)[]][] = [
  ["an assertion [native]", "On native: expected 1 to be 2"],
  ["an assertion [kernel]", "On kernel: expected 1 to be 2"],
  ["an assertion [kernel, virtual time]", "On kernel, virtual time: expected 1 to be 2"],
  [
    "an assertion [kernel, 20 seeds]",
    /With seed (\d+) \(repeat it with ANYLOOP_SEED=\1\): expected 1 to be 2/,
  ],
  ["a race [kernel, 20 seeds]", "With seed 103 (repeat it with ANYLOOP_SEED=103): expected 'b' to be 'a'"],
  [
    "a timeout [kernel]",
    "TestTimeoutError: On kernel: The test was not done within 800 of its 1000 ms and was cancelled. It waited:",
    "test (task 1) waits for its children",
    "hungHelper (task 2) waits for nothing, for ever\n      at hungHelper",
  ],
  [
    "a clean-up that hangs [kernel]",
    "has not ended after 5700 ms",
    "test (task 1), told to stop, waits for a promise\n    at ",
  ],
  ["many runs that take too long together [kernel, 20 seeds]", /With seed \d .*within 800 of its 1000 ms/],
  ["a body that vitest itself gives up [kernel]", /Test timed out in 50ms|within 40 of its 50 ms/],
  [
    "a task of another run [kernel]",
    "LeftoverError: On kernel: The test left behind:\n  the task forgotten (task 1) waits for 60000 ms to pass\n    at forgotten",
  ],
  ["a timer [kernel]", /a timer: setTimeout, set at .*failing\.cases\.ts:\d+/],
  ["an unhandled rejection [kernel]", "an error that nobody handled: Error: nobody's"],
  ["an error of a callback [kernel]", "an error that nobody handled: Error: thrown in a callback"],
  ["a swallowed failure [kernel]", "On kernel: the body's own"],
  ["a fixture that does not use [kernel]", "The fixture forgetful ended without `return yield* use(value)`."],
  ["a fixture whose deadline passes [kernel]", "On kernel: The work was not done within 1 ms."],
  [
    "a fixture whose clean-up fails too [kernel]",
    "On kernel: the body failed",
    "On kernel: the clean-up failed",
  ],
  ["a fixture that uses twice [kernel]", "The fixture greedy used its value twice."],
  ["another [kernel]", "Another test is still running."],
  [
    "a body that fails and leaves a timer [kernel]",
    "On kernel: the body failed",
    "a timer: setTimeout, set at",
  ],
];

for (const [title, ...parts] of expected) {
  test(`fails, and says why: ${title}`, () => {
    expect(messages.get(title)).toMatch(/^failed/);
    for (const part of parts) expect(messages.get(title)).toMatch(part);
  });
}

const notRun = [
  ["a skipped test [kernel]", "skipped"],
  ["a test that skips itself [kernel]", "skipped"],
  ["a test to be written", "todo"],
] as const;

test.each(notRun)("does not run: %s", (title, status) => {
  expect(messages.get(title)).toBe(status);
});

test("the finally blocks of a test that took too long have run", () => {
  expect(output).toContain("the finally block ran");
});

test("a test that comes after failed ones passes, and the runner hears of no error but theirs", () => {
  expect(messages.get("a test after all of them passes [kernel]")).toBe("passed");
  expect(messages.get("one [kernel]")).toBe("passed");
  expect(messages.size).toBe(expected.length + notRun.length + 2);
  expect(output).not.toContain("Unhandled");
});
