/** Our own primitives under every kind of schedule, and cancelled at every checkpoint: nothing lost, nothing left. */
import {
  Barrier,
  BufferedByteStream,
  CancelScope,
  CapacityLimiter,
  Condition,
  type Coroutine,
  Deferred,
  EndOfStream,
  Event,
  forEach,
  generate,
  type Held,
  Lock,
  map,
  memoryStream,
  moveOnAfter,
  type Operation,
  Queue,
  race,
  RLock,
  Semaphore,
  sleep,
  type Task,
  type TaskGroup,
  taskGroup,
} from "@anyloop/core";
import { checkpoint, ParkingLot } from "@anyloop/core/lowlevel";
import { cancelEverywhere, explore, memoryByteStreamPair, type Victim } from "@anyloop/testing";
import { expect, test } from "vitest";

type Scenario = (victim: Victim) => Coroutine<unknown>;

const scenarios: [string, Scenario][] = [];

function scenario(name: string, body: Scenario): void {
  scenarios.push([name, body]);
}

scenario("Event: everybody goes on, and nobody is left in line", function* (victim) {
  const event = new Event();
  const passed: string[] = [];
  function* waiter(name: string): Coroutine<void> {
    yield* event.wait();
    passed.push(name);
  }
  yield* taskGroup(function* (group) {
    group.startSoon(() => waiter("a"));
    group.startSoon(victim(() => waiter("b")));
    group.startSoon(() => waiter("c"));
    group.startSoon(function* () {
      yield* checkpoint();
      event.set();
    });
  });
  expect(passed).toEqual(expect.arrayContaining(["a", "c"]));
  expect(event.statistics().tasksWaiting).toBe(0);
});

interface LockLike {
  acquire(): Operation<Held>;
}

function* exclusive(make: LockLike, most: number, victim: Victim): Coroutine<void> {
  let inside = 0;
  let peak = 0;
  let done = 0;
  function* worker(): Coroutine<void> {
    const held = yield* make.acquire();
    try {
      peak = Math.max(peak, ++inside);
      yield* checkpoint();
    } finally {
      inside--;
      held.release();
    }
    done++;
  }
  yield* taskGroup((group) => {
    group.startSoon(worker);
    group.startSoon(victim(worker));
    group.startSoon(worker);
    group.startSoon(worker);
  });
  expect(peak).toBeLessThanOrEqual(most);
  expect(inside).toBe(0);
  expect(done).toBeGreaterThanOrEqual(3);
}

scenario("Lock: one inside, handed on, left free", function* (victim) {
  const lock = new Lock();
  yield* exclusive(lock, 1, victim);
  expect(lock.locked).toBe(false);
  expect(lock.statistics().tasksWaiting).toBe(0);
});

scenario("RLock: one inside, handed on, left free", function* (victim) {
  const lock = new RLock();
  yield* exclusive(lock, 1, victim);
  expect(lock.locked).toBe(false);
  expect(lock.statistics().tasksWaiting).toBe(0);
});

scenario("Semaphore: at most two inside, and both places come back", function* (victim) {
  const semaphore = new Semaphore(2);
  yield* exclusive(semaphore, 2, victim);
  expect(semaphore.value).toBe(2);
  expect(semaphore.statistics().tasksWaiting).toBe(0);
});

scenario("CapacityLimiter: at most two inside, and both tokens come back", function* (victim) {
  const limiter = new CapacityLimiter(2);
  yield* exclusive(limiter, 2, victim);
  expect(limiter.statistics()).toMatchObject({ borrowedTokens: 0, tasksWaiting: 0 });
});

scenario("Condition: a notification reaches one who waits, cancelled or not", function* (victim) {
  const condition = new Condition();
  const letters: string[] = [];
  let read = 0;
  function* reader(): Coroutine<void> {
    const held = yield* condition.acquire();
    try {
      yield* condition.waitFor(() => letters.length > 0);
      letters.shift();
      read++;
    } finally {
      held.release();
    }
  }
  yield* taskGroup((group) => {
    group.startSoon(reader);
    group.startSoon(victim(reader));
    group.startSoon(function* writer() {
      for (const letter of ["a", "b"]) {
        const held = yield* condition.acquire();
        letters.push(letter);
        condition.notify();
        held.release();
      }
    });
  });
  expect(read + letters.length).toBe(2);
  expect(condition.locked).toBe(false);
  expect(condition.statistics().tasksWaiting).toBe(0);
});

scenario("Barrier: who is cancelled does not count", function* (victim) {
  const barrier = new Barrier(2);
  let passed = 0;
  function* comer(): Coroutine<void> {
    yield* barrier.wait();
    passed++;
  }
  yield* taskGroup(function* (group) {
    const mayLeave = group.startSoon(victim(comer));
    group.startSoon(comer);
    yield* mayLeave.wait();
    // Whoever is left alone by the cancellation is joined here.
    if (passed === 0) yield* comer();
  });
  expect(passed % 2).toBe(0);
});

scenario("Deferred: everybody gets the value", function* (victim) {
  const deferred = new Deferred<number>();
  const got: number[] = [];
  function* reader(): Coroutine<void> {
    got.push(yield* deferred.wait());
  }
  yield* taskGroup(function* (group) {
    group.startSoon(reader);
    group.startSoon(victim(reader));
    yield* checkpoint();
    deferred.resolve(1);
  });
  expect(got.length).toBeGreaterThanOrEqual(1);
});

for (const capacity of [1, 3, Infinity]) {
  scenario(`Queue of ${String(capacity)}: every item exactly once, both ends cancelled`, function* (victim) {
    const queue = new Queue<number>({ capacity });
    const put: number[] = [];
    const got: number[] = [];
    function* putter(items: readonly number[]): Coroutine<void> {
      for (const item of items) {
        yield* queue.put(item);
        put.push(item);
      }
    }
    function* getter(): Coroutine<void> {
      for (;;) got.push(yield* queue.get());
    }
    yield* taskGroup(function* (group) {
      const readers = [group.startSoon(victim(getter)), group.startSoon(getter)];
      const writers = [group.startSoon(victim(() => putter([1, 2]))), group.startSoon(() => putter([3, 4]))];
      for (const writer of writers) yield* writer.wait();
      yield* sleep(1);
      for (const reader of readers) reader.cancel();
    });
    while (queue.size > 0) got.push(queue.getNowait());
    expect(got.sort()).toEqual(put.sort());
  });
}

for (const capacity of [0, 1, 3]) {
  scenario(
    `memoryStream(${String(capacity)}): every item exactly once, both ends cancelled`,
    function* (victim) {
      const [send, receive] = memoryStream<number>(capacity);
      const sent: number[] = [];
      const received: number[] = [];
      function* sender(items: readonly number[]): Coroutine<void> {
        const end = send.clone();
        try {
          for (const item of items) {
            yield* end.send(item);
            sent.push(item);
          }
        } finally {
          yield* end.close();
        }
      }
      function* receiver(): Coroutine<void> {
        const end = receive.clone();
        try {
          for (;;) received.push(yield* end.receive());
        } catch (error) {
          if (!(error instanceof EndOfStream)) throw error;
        } finally {
          yield* end.close();
        }
      }
      yield* taskGroup(function* (group) {
        group.startSoon(victim(receiver));
        group.startSoon(receiver);
        const senders = [
          group.startSoon(victim(() => sender([1, 2]))),
          group.startSoon(() => sender([3, 4])),
        ];
        for (const task of senders) yield* task.wait();
        yield* send.close();
      });
      expect(received.sort()).toEqual(sent.sort());
      expect(receive.statistics()).toMatchObject({
        openSendStreams: 0,
        openReceiveStreams: 1,
        tasksWaitingSend: 0,
        tasksWaitingReceive: 0,
        currentBufferUsed: 0,
      });
    },
  );
}

scenario("start: the child is the caller's until it has started, the group's after that", function* (victim) {
  let child = "none";
  let value: number | undefined;
  function* begin(group: TaskGroup): Coroutine<void> {
    value = yield* group.start<number>(function* (status) {
      child = "begun";
      try {
        yield* checkpoint();
        status.started(7);
        yield* checkpoint();
        yield* checkpoint();
        child = "ended";
      } finally {
        if (child === "begun") child = "cancelled";
      }
    });
  }
  yield* taskGroup(function* (group) {
    yield* victim(() => begin(group));
  });
  // A start that was cancelled takes the child with it; one that was not leaves it alone.
  expect(value === undefined ? ["none", "cancelled"] : ["ended"]).toContain(child);
});

function* raceOfQueues(around: Victim): Coroutine<void> {
  const left = new Queue<string>();
  const right = new Queue<string>();
  let won: string | undefined;
  yield* taskGroup(function* (group) {
    group.startSoon(
      around(function* () {
        won = yield* race([left.get(), right.get()]);
      }),
    );
    group.startSoon(left.put("left"));
    group.startSoon(right.put("right"));
  });
  expect(left.size + right.size + (won === undefined ? 0 : 1)).toBe(2);
}

function* raceForLock(around: Victim): Coroutine<void> {
  const lock = new Lock();
  yield* taskGroup((group) => {
    group.startSoon(function* () {
      const held = yield* lock.acquire();
      yield* sleep(1);
      held.release();
    });
    group.startSoon(
      around(function* () {
        const first = yield* race([lock.acquire(), sleep(1)]);
        if (first !== undefined) first.release();
      }),
    );
  });
  expect(lock.locked).toBe(false);
  expect(lock.statistics().tasksWaiting).toBe(0);
}

const unharmed: Victim = (work) => new CancelScope().run(work);

scenario("race: of operations given directly exactly one happens", function* (victim) {
  yield* raceOfQueues(unharmed);
  yield* victim(race([sleep(1), sleep(2)]));
});

scenario("race for a lock: it is held by whoever raced, or free", function* (victim) {
  yield* raceForLock(unharmed);
  yield* victim(race([sleep(1), sleep(2)]));
});

test.each([
  ["an item", raceOfQueues],
  ["a lock", raceForLock],
])("race keeps %s that was handed over before the cancellation came", async (_what, body) => {
  await explore(body);
});

scenario("map: results in order, at most two at once", function* (victim) {
  let inside = 0;
  let peak = 0;
  function* double(item: number): Coroutine<number> {
    try {
      peak = Math.max(peak, ++inside);
      yield* checkpoint();
      return item * 2;
    } finally {
      inside--;
    }
  }
  const results = yield* victim(map([1, 2, 3, 4], double, { limit: 2 }));
  if (results !== undefined) expect(results).toEqual([2, 4, 6, 8]);
  expect(peak).toBeLessThanOrEqual(2);
  expect(inside).toBe(0);
});

scenario("generate: items in order, and the source has ended with its reader", function* (victim) {
  const got: number[] = [];
  let open = 0;
  yield* victim(
    generate<number, void>(
      function* (emit) {
        open++;
        try {
          for (const item of [1, 2, 3]) yield* emit(item);
        } finally {
          open--;
        }
      },
      function* (stream) {
        for (;;) {
          const next = yield* stream.next();
          if (next.done === true) return;
          got.push(next.value);
        }
      },
    ),
  );
  expect(open).toBe(0);
  expect([1, 2, 3].slice(0, got.length)).toEqual(got);
});

scenario("ParkingLot: a wake-up is not lost with one who is cancelled", function* (victim) {
  const lot = new ParkingLot();
  let woken = 0;
  function* sleeper(): Coroutine<void> {
    yield* lot.park();
    woken++;
  }
  yield* taskGroup(function* (group) {
    const tasks = [group.startSoon(victim(sleeper)), group.startSoon(sleeper)];
    yield* sleep(1);
    let given = lot.unpark(1);
    while (tasks.some(({ status }) => status !== "finished")) {
      yield* checkpoint();
      given += lot.unpark(1);
    }
    expect(woken).toBe(given);
  });
  expect(lot.size).toBe(0);
});

scenario("Queue.join: waits for what was put in, whoever deals with it", function* (victim) {
  const queue = new Queue<number>({ capacity: 1 });
  let done = 0;
  function* worker(): Coroutine<void> {
    for (;;) {
      yield* queue.get();
      done++;
      queue.taskDone();
    }
  }
  yield* taskGroup(function* (group) {
    group.startSoon(victim(worker), { daemon: true });
    group.startSoon(worker, { daemon: true });
    for (const item of [1, 2, 3]) yield* queue.put(item);
    yield* queue.join();
    expect(done).toBe(3);
  });
});

scenario("an item under a deadline is received or left, never lost", function* (victim) {
  const queue = new Queue<number>();
  let got = 0;
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      yield* sleep(5);
      yield* queue.put(1);
    });
    if ((yield* victim(moveOnAfter(5, queue.get()))) !== undefined) got++;
  });
  expect(got + queue.size).toBe(1);
});

scenario("completed: every child is told once, whoever reads", function* (victim) {
  const told: string[] = [];
  yield* taskGroup(function* (group) {
    const ended = group.completed();
    for (const name of ["a", "b", "c"]) group.startSoon(checkpoint(), { name });
    function* read(task: Task<unknown>): Coroutine<void> {
      told.push(task.name);
    }
    yield* victim(forEach(ended, read));
    yield* forEach(ended, read);
  });
  expect(told.sort()).toEqual(["a", "b", "c"]);
});

const decode = (data: Uint8Array): string => new TextDecoder().decode(data);

scenario("BufferedByteStream: what a cancelled read has not given, the next one gives", function* (victim) {
  const [left, right] = memoryByteStreamPair();
  const buffered = new BufferedByteStream(right);
  const newline = new TextEncoder().encode("\n");
  const taken: string[] = [];
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      for (const piece of ["ab", "c\n", "de\nfg"]) yield* left.send(new TextEncoder().encode(piece));
      yield* left.close();
    });
    yield* victim(function* () {
      while (taken.length < 2) taken.push(decode(yield* buffered.receiveUntil(newline, 100)));
    });
    while (taken.length < 2) taken.push(decode(yield* buffered.receiveUntil(newline, 100)));
    expect(decode(yield* buffered.receiveExactly(2))).toBe("fg");
  });
  expect(taken).toEqual(["abc", "de"]);
});

test.each(scenarios)("%s: survives 500 random schedules", async (_name, body) => {
  await explore(body, { runs: 500 });
  await explore(body, { runs: 200, seed: 2, stallMs: Infinity });
});

test.each(scenarios)("%s: survives 500 schedules by priorities", async (_name, body) => {
  await explore(body, { runs: 500, strategy: "priorities" });
});

test.each(scenarios)("%s: survives the 1 000 schedules nearest to the usual order", async (_name, body) => {
  await explore(body, { strategy: "exhaustive" });
});

test.each(scenarios)("%s: survives a cancellation at every checkpoint", async (_name, body) => {
  const { cancelled } = await cancelEverywhere(body);
  expect(cancelled).toBeGreaterThan(2);
});
