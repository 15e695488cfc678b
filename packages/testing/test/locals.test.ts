/** Values that belong to a task or to a run. */
import { all, Event, RunLocal, taskGroup, TaskLocal } from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { each, eachAsync } from "./each.ts";

each("task locals are inherited from the caller of startSoon, and a child's own", function* () {
  const local = new TaskLocal<string>({ default: "default", name: "user" });
  const unset = new TaskLocal<string>({ name: "unset" });
  expect(() => unset.get()).toThrow(/unset/);
  yield* taskGroup(function* (group) {
    local.set("parent");
    const child = group.startSoon(function* () {
      const inherited = local.get();
      local.set("child");
      yield* checkpoint();
      return [inherited, local.get()];
    });
    expect(yield* child.join()).toEqual(["parent", "child"]);
    expect(local.get()).toBe("parent");
    expect(yield* local.with("inside", () => local.get())).toBe("inside");
    expect(local.get()).toBe("parent");
  });
});

eachAsync("events and task locals in an async body", async () => {
  const event = new Event();
  const local = new TaskLocal<string>({ default: "default" });
  local.set("parent");
  await taskGroup(async (group) => {
    const child = group.startSoon(async () => {
      await event.wait();
      return local.get();
    });
    await waitAllTasksBlocked();
    event.set();
    expect(await child.join()).toBe("parent");
  });
});

each("run locals are shared by the tasks of a run", function* () {
  const local = new RunLocal<number>({ default: 0 });
  yield* taskGroup(function* (group) {
    group.startSoon(() => local.set(5));
  });
  expect(local.get()).toBe(5);
});

eachAsync("TaskLocal.with in two tasks at once, async style", async () => {
  const local = new TaskLocal<string>({ default: "none" });
  const read = (value: string): Promise<string> =>
    local.with(value, async () => {
      await checkpoint();
      await checkpoint();
      return local.get();
    });
  expect(await all([async () => await read("a"), async () => await read("b")])).toEqual(["a", "b"]);
  expect(local.get()).toBe("none");
});
