/** anyloop in async style, on either backend: async functions that await operations. */
import {
  all,
  type Backend,
  Event,
  fromPromise,
  Lock,
  memoryStream,
  type ReceiveStream,
  run,
  Semaphore,
  type SendStream,
  sleep,
  sleepForever,
  type Task,
  taskGroup,
} from "anyloop";
import { checkpoint } from "anyloop/lowlevel";
import { heapUsed } from "../heap.ts";
import type { Performances } from "../scenario.ts";
import { consumers, rivals, slots } from "../scenarios.ts";

type Version = (size: number) => Promise<number>;

async function joinEach(tasks: readonly Task<number>[]): Promise<number> {
  let sum = 0;
  for (const task of tasks) sum += await task.join();
  return sum;
}

const one = async (): Promise<number> => 1;

const spawnOnce: Version = (size) =>
  taskGroup(async (group) => {
    const tasks: Task<number>[] = [];
    for (let index = 0; index < size; index++) tasks.push(group.startSoon(one));
    return await joinEach(tasks);
  });

const spawnFresh: Version = (size) =>
  taskGroup(async (group) => {
    const tasks: Task<number>[] = [];
    for (let index = 0; index < size; index++) tasks.push(group.startSoon(async () => index));
    return await joinEach(tasks);
  });

const spawnPlain: Version = (size) =>
  taskGroup(async (group) => {
    const tasks: Task<number>[] = [];
    for (let index = 0; index < size; index++) tasks.push(group.startSoon(() => index));
    return await joinEach(tasks);
  });

const spin: Version = async (size) => {
  let count = 0;
  for (; count < size; count++) await checkpoint();
  return count;
};

const resolvedPromise: Version = async (size) => {
  let total = 0;
  for (let index = 0; index < size; index++) total += await fromPromise(Promise.resolve(1));
  return total;
};

const awaitReady: Version = async (size) => {
  const event = new Event();
  event.set();
  let count = 0;
  for (; count < size; count++) await event.wait();
  return count;
};

const sleepStorm: Version = (size) =>
  taskGroup(async (group) => {
    const tasks: Task<number>[] = [];
    for (let index = 0; index < size; index++) {
      tasks.push(
        group.startSoon(async () => {
          await sleep((index % 100) + 1);
          return 1;
        }),
      );
    }
    return await joinEach(tasks);
  });

async function echo(size: number, receive: ReceiveStream<number>, send: SendStream<number>): Promise<void> {
  for (let index = 0; index < size; index++) await send.send((await receive.receive()) + 1);
}

function pingPong(capacity: number): Version {
  return (size) =>
    taskGroup(async (group) => {
      const [there, receiveThere] = memoryStream<number>(capacity);
      const [back, receiveBack] = memoryStream<number>(capacity);
      group.startSoon(() => echo(size, receiveThere, back));
      let last = 0;
      for (let index = 0; index < size; index++) {
        await there.send(last);
        last = await receiveBack.receive();
      }
      return last;
    });
}

async function addUp(stream: ReceiveStream<number>): Promise<number> {
  let total = 0;
  for await (const item of stream) total += item;
  return total;
}

const fanOut: Version = (size) =>
  taskGroup(async (group) => {
    const [send, receive] = memoryStream<number>(64);
    const tasks: Task<number>[] = [];
    for (let index = 0; index < consumers; index++) tasks.push(group.startSoon(() => addUp(receive)));
    for (let item = 1; item <= size; item++) await send.send(item);
    await send.close();
    return await joinEach(tasks);
  });

const lockFree: Version = async (size) => {
  const lock = new Lock();
  let count = 0;
  for (; count < size; count++) {
    const held = await lock.acquire();
    held.release();
  }
  return count;
};

function contended(makeAdmission: () => Lock | Semaphore, limit: number): Version {
  return async (size) => {
    const admission = makeAdmission();
    let busy = 0;
    let done = 0;
    const rival = async (): Promise<void> => {
      for (let round = 0; round < size / rivals; round++) {
        const held = await admission.acquire();
        if (++busy > limit) throw new Error("Too many at once.");
        await checkpoint();
        busy--;
        done++;
        held.release();
      }
    };
    await all(Array.from({ length: rivals }, () => rival));
    return done;
  };
}

const cancelAll: Version = async (size) => {
  let out = 0;
  const parked = async (): Promise<void> => {
    try {
      await sleepForever();
    } finally {
      out++;
    }
  };
  await taskGroup(async (group) => {
    for (let index = 0; index < size; index++) group.startSoon(parked);
    await checkpoint();
    group.cancel();
  });
  return out;
};

const waiting = async (): Promise<void> => {
  await sleepForever();
};

const parkedBytes: Version = (size) =>
  taskGroup(async (group) => {
    const before = heapUsed();
    for (let index = 0; index < size; index++) group.startSoon(waiting);
    for (let turn = 0; turn < 3; turn++) await checkpoint();
    const bytes = (heapUsed() - before) / size;
    group.cancel();
    return bytes;
  });

const versions: Readonly<Record<string, Version>> = {
  "spawn-once": spawnOnce,
  "spawn-fresh": spawnFresh,
  "spawn-plain": spawnPlain,
  checkpoint: spin,
  "resolved-promise": resolvedPromise,
  "await-ready": awaitReady,
  "sleep-storm": sleepStorm,
  "ping-pong-0": pingPong(0),
  "ping-pong-1": pingPong(1),
  "ping-pong-64": pingPong(64),
  "ping-pong-Infinity": pingPong(Infinity),
  "fan-out": fanOut,
  "lock-free": lockFree,
  "lock-contended": contended(() => new Lock(), 1),
  semaphore: contended(() => new Semaphore(slots), slots),
  cancel: cancelAll,
  "parked-bytes": parkedBytes,
};

/** Each version as the async body of a run of its own. */
export function performancesOn(backend: Backend): Performances {
  return Object.fromEntries(
    Object.entries(versions).map(([id, version]) => [
      id,
      (size: number) => run(() => version(size), { backend }),
    ]),
  );
}
