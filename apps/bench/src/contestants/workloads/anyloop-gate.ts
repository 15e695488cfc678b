import {
  type Coroutine,
  Deferred,
  type Operation,
  operation,
  type Task,
  type TaskGroup,
  taskGroup,
} from "anyloop";
import { checkpoint } from "anyloop/lowlevel";
import { gated } from "../../workloads.ts";

const work: (gate: Deferred<void>, index: number) => Operation<number> = operation(function* work(
  gate: Deferred<void>,
  index: number,
): Coroutine<number> {
  yield* gate.wait();
  yield* checkpoint();
  return index * 2;
});

function* host(group: TaskGroup): Coroutine<number> {
  const gate = new Deferred<void>();
  const tasks: Task<number>[] = [];
  for (let index = 0; index < gated; index++) tasks.push(group.startSoon(work(gate, index)));
  yield* checkpoint();
  gate.resolve();
  let total = 0;
  for (const task of tasks) total += yield* task.join();
  return total;
}

export const gate = (): Operation<number> => taskGroup(host);
