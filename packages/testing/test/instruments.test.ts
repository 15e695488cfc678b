/** Instruments: what they are told, in which order, and as whom. */
import { currentTask, now, sleep, type Task, taskGroup } from "@anyloop/core";
import { addInstrument, checkpoint } from "@anyloop/core/lowlevel";
import { expect } from "vitest";
import { each } from "./each.ts";

each(
  "a task is scheduled, then stepped, each step as that task and on its clock [trio instruments, instrument_call_trio_context]",
  function* () {
    const told = new Map<Task<unknown>, string>();
    const wrong: string[] = [];
    const note = (task: Task<unknown>, letter: string): void => {
      told.set(task, (told.get(task) ?? "") + letter);
    };
    const started = now();
    const tell =
      (letter: string) =>
      (task: Task<unknown>): void => {
        note(task, letter);
        if (currentTask() !== task) wrong.push(`${letter} as ${currentTask().name}`);
        if (now() < started || now() > started + 60_000) wrong.push(`${letter} at ${String(now())}`);
      };
    addInstrument({
      taskScheduled: (task) => note(task, "s"),
      beforeStep: tell("b"),
      afterStep: tell("a"),
      taskExited: tell("x"),
    });
    yield* sleep(1);
    yield* taskGroup(function* (group) {
      for (const name of ["one", "other"]) {
        group.startSoon(
          function* () {
            for (let turn = 0; turn < 4; turn++) yield* checkpoint();
          },
          { name },
        );
      }
    });
    expect(wrong).toEqual([]);
    for (const [task, letters] of told) {
      if (task.parent !== undefined) expect(letters, task.name).toMatch(/^s(bsa)*bxa$/);
    }
    expect(told.size).toBe(3);
  },
);

each("an instrument added twice is told once [trio instruments]", function* () {
  let exits = 0;
  const instrument = { taskExited: () => void exits++ };
  addInstrument(instrument);
  addInstrument(instrument);
  yield* taskGroup(function* (group) {
    group.startSoon(checkpoint());
  });
  expect(exits).toBe(1);
});

each("an instrument added by a hook is told from the next time on", function* () {
  const told: string[] = [];
  addInstrument({
    taskSpawned: (task) => {
      told.push(`first ${task.name}`);
      addInstrument({ taskSpawned: (other) => void told.push(`second ${other.name}`) });
    },
  });
  yield* taskGroup(function* (group) {
    group.startSoon(checkpoint(), { name: "a" });
    expect(told).toEqual(["first a"]);
    group.startSoon(checkpoint(), { name: "b" });
  });
  expect(told).toEqual(["first a", "first b", "second b"]);
});
