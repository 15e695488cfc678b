import {
  type Coroutine,
  forEach,
  memoryStream,
  type Operation,
  operation,
  type ReceiveStream,
  type SendStream,
  type TaskGroup,
  taskGroup,
} from "anyloop";
import { checkpoint } from "anyloop/lowlevel";
import { ids, queueCapacity, queueWorkers } from "../../workloads.ts";

interface Tally {
  total: number;
}

const produce: (jobs: SendStream<number>) => Operation<void> = operation(function* produce(
  jobs: SendStream<number>,
) {
  for (const id of ids) yield* jobs.send(id);
  yield* jobs.close();
});

const work: (jobs: ReceiveStream<number>, tally: Tally) => Operation<void> = operation(function* work(
  jobs: ReceiveStream<number>,
  tally: Tally,
) {
  yield* forEach(jobs, function* (job) {
    yield* checkpoint();
    tally.total += job;
  });
});

function* host(group: TaskGroup): Coroutine<Tally> {
  const [send, receive] = memoryStream<number>(queueCapacity);
  const tally: Tally = { total: 0 };
  group.startSoon(produce(send));
  for (let worker = 0; worker < queueWorkers; worker++) group.startSoon(work(receive, tally));
  return tally;
}

export const queue: () => Operation<number> = operation(function* queue(): Coroutine<number> {
  return (yield* taskGroup(host)).total;
});
