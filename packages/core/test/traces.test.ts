/** What an error says of its way, and what `inspect` shows. */
import {
  type Coroutine,
  type Operation,
  operation,
  run,
  sleep,
  sleepForever,
  taskGroup,
} from "@anyloop/core";
import { addInstrument, inspect, setDebug } from "@anyloop/core/lowlevel";
import { kernel, VirtualClock } from "@anyloop/kernel";
import { afterEach, expect, test } from "vitest";

const backend = () => kernel({ clock: new VirtualClock() });
const boom = (): Error => new Error("boom");

const inner = operation(function* inner(): Coroutine<void> {
  yield* sleep(1);
  throw boom();
});
const outer = operation(function* outer(): Coroutine<void> {
  yield* inner();
});

async function traceOf(work: Operation<void>): Promise<string> {
  try {
    await run(() => taskGroup((group) => void group.startSoon(work, { name: "worker" })), {
      backend: backend(),
    });
  } catch (error) {
    return (error as Error).stack ?? "";
  }
  return "";
}

afterEach(() => setDebug(false));

test("an error keeps its identity and names the operations and the task it crossed", async () => {
  const lines = (await traceOf(outer())).split("\n").map((line) => line.trim());
  const crossed = lines.slice(lines.indexOf("at operation inner"));
  expect(crossed).toEqual(["at operation inner", "in task worker", "in task main"]);
});

test("in debug mode the places are named as well", async () => {
  setDebug(true);
  // Browsers put a query between the file and the line.
  expect(await traceOf(outer())).toMatch(
    /at operation inner, called at outer .*traces\.test\.ts(\?\S*)?:\d+/,
  );
});

test("a task's places are those of its generators, and no frame of the engine's own", async () => {
  const error = await run(
    function* main() {
      yield* taskGroup((group) => void group.startSoon(sleepForever(), { name: "sleeper" }));
    },
    { backend: backend() },
  ).catch((error: unknown) => error);
  const lines = (error as Error).message.split("\n").slice(1);
  expect(lines.map((line) => line.trim().replace(/^(at main).*/, "$1"))).toEqual([
    "main (task 1) waits for its children",
    "at main",
    "sleeper (task 2) waits for nothing, for ever",
  ]);
});

test("a frozen error passes as it is", async () => {
  const frozen = Object.freeze(boom());
  const failing = operation(function* failing(): Coroutine<void> {
    yield* sleep(1);
    throw frozen;
  });
  await expect(run(failing(), { backend: backend() })).rejects.toBe(frozen);
});

test("inspect shows the tree: who waits for what, where, and since when", async () => {
  setDebug(true);
  await run(
    function* main() {
      yield* taskGroup(function* (group) {
        group.startSoon(function* sleeper() {
          yield* sleepForever();
        });
        yield* sleep(5);
        const report = inspect();
        expect(report).toMatchObject({ name: "main", status: "running" });
        const [sleeper] = report.children;
        expect(sleeper).toMatchObject({
          name: "sleeper",
          waitingFor: ["nothing, for ever"],
          waitingSince: 0,
        });
        expect(sleeper?.places[0]).toMatch(/at sleeper .*traces\.test\.ts/);
        expect(JSON.parse(JSON.stringify(report))).toMatchObject({ children: [{ name: "sleeper" }] });
        group.cancel();
      });
    },
    { backend: backend() },
  );
});

test("an instrument can be added from inside a run", async () => {
  const exited: string[] = [];
  await run(
    function* main() {
      addInstrument({ taskExited: (task) => exited.push(task.name) });
      yield* taskGroup((group) => void group.startSoon(() => {}, { name: "child" }));
    },
    { backend: backend() },
  );
  expect(exited).toEqual(["child", "main"]);
});
