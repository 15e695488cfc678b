/** The schedule explorer finds planted bugs, tells how they came about, and repeats them. */
import {
  all,
  type Coroutine,
  DeadlockError,
  Lock,
  moveOnAfter,
  type Operation,
  perform,
  Queue,
  Semaphore,
  sleep,
  sleepForever,
  taskGroup,
} from "@anyloop/core";
import { ParkingLot } from "@anyloop/core/lowlevel";
import {
  type Explored,
  explore,
  type ExploreOptions,
  replay,
  ScheduleFailure,
  type Victim,
} from "@anyloop/testing";
import { describe, expect, test } from "vitest";
import { thrownBy } from "./each.ts";

/** A mailbox that looks first and waits afterwards: what comes in between wakes nobody. */
class ForgetfulMailbox {
  readonly items: string[] = [];
  readonly lot = new ParkingLot("a letter");
  readonly log = new Semaphore(1);

  post(item: string): void {
    this.items.push(item);
    this.lot.unpark();
  }

  take(): Operation<string> {
    return perform(this, this.doTake);
  }

  private *doTake(): Coroutine<string> {
    if (this.items.length === 0) {
      const held = yield* this.log.acquire();
      held.release();
      yield* this.lot.park();
    }
    return this.items.shift() as string;
  }
}

function* lostWakeUp(): Coroutine<void> {
  const mailbox = new ForgetfulMailbox();
  yield* taskGroup(function* (group) {
    group.startSoon(mailbox.take(), { name: "reader" });
    group.startSoon(function* writer() {
      mailbox.post("hello");
    });
  });
}

function* leakedLock(victim: Victim): Coroutine<void> {
  const lock = new Lock();
  const log = new Semaphore(1);
  function* careless(): Coroutine<void> {
    const held = yield* lock.acquire();
    const logging = yield* log.acquire(); // cancelled here, nobody releases the lock
    try {
      logging.release();
    } finally {
      held.release();
    }
  }
  yield* victim(careless);
  if (lock.locked) throw new Error("the lock was left locked");
}

function* checkThenAct(): Coroutine<void> {
  const audit = new Semaphore(2);
  let balance = 10;
  function* withdraw(): Coroutine<void> {
    if (balance < 10) return;
    const held = yield* audit.acquire();
    held.release();
    balance -= 10;
  }
  yield* all([withdraw, withdraw]);
  if (balance < 0) throw new Error(`the balance is ${String(balance)}`);
}

function* lostItem(victim: Victim): Coroutine<void> {
  const queue = new Queue<number>();
  const seen = new Queue<number>();
  let kept = 0;
  function* consume(): Coroutine<void> {
    while (kept < 3) {
      const item = yield* queue.get();
      yield* seen.put(item); // cancelled here, the item is in nobody's hands
      kept++;
    }
  }
  yield* taskGroup(function* (group) {
    group.startSoon(victim(consume), { name: "consumer" });
    group.startSoon(function* producer() {
      for (const item of [1, 2, 3]) yield* queue.put(item);
    });
  });
  if (kept + queue.size !== 3) throw new Error("an item is lost");
}

/** An item that arrives in the moment of the timeout: the deadline goes ahead of the last step of dealing with it. */
function* lostToTimeout(): Coroutine<void> {
  const queue = new Queue<number>();
  let kept = 0;
  yield* queue.put(1);
  function* consume(): Coroutine<void> {
    yield* queue.get();
    yield* sleep(5);
    kept++;
  }
  yield* moveOnAfter(5, consume);
  if (kept + queue.size !== 1) throw new Error("an item is lost");
}

const planted: readonly [string, Explored][] = [
  ["a lost wake-up", lostWakeUp],
  ["a lock leaked on cancel", leakedLock],
  ["a check-then-act race", checkThenAct],
  ["an item lost between hand-over and cancel", lostItem],
  ["an item lost to a timeout", lostToTimeout],
];

const strategies: readonly ExploreOptions[] = [
  { strategy: "random" },
  { strategy: "priorities" },
  { strategy: "exhaustive" },
];

describe.each(planted)("%s", (_name, body) => {
  test("does not show in the usual order", async () => {
    await replay(body, "s1");
  });

  test.each(strategies)("is found within 2 000 runs, whatever the seed: $strategy", async (options) => {
    for (let seed = 1; seed <= 20; seed++) {
      const failure = await thrownBy(explore(body, { ...options, seed, runs: 2_000 }));
      expect(failure).toBeInstanceOf(ScheduleFailure);
      // One departure from the usual order is enough for each of them.
      const { schedule, trace } = failure as ScheduleFailure;
      expect(schedule.split(" ")).toHaveLength(2);
      expect(trace.match(/▸/g)).toHaveLength(1);
      const again = await thrownBy(replay(body, schedule));
      expect(again).toBeInstanceOf(ScheduleFailure);
      expect((again as ScheduleFailure).trace).toBe(trace);
    }
  });
});

test("a failure tells who ran when, and repeats with one line", async () => {
  const failure = (await thrownBy(explore(lostWakeUp))) as ScheduleFailure;
  expect(failure.cause).toBeInstanceOf(DeadlockError);
  expect(failure.code).toBe("SCHEDULE_FAILED");
  expect(failure.message).toContain(`await replay(body, ${JSON.stringify(failure.schedule)});`);
  expect(failure.message).toContain(failure.trace);
  const told = failure.trace.replace(/[\w.-]+\.ts:\d+:\d+/g, "HERE");
  expect(told.split("\n")).toEqual([
    "   1   lostWakeUp#1  starts reader#2; starts writer#3; waits for its children at HERE",
    "   2   reader#2      comes as far as HERE",
    "   3 ▸ writer#3      ends   (ahead of reader#2)",
    "   4   reader#2      waits for a letter at HERE",
    "   5   nobody        can go on: a deadlock",
  ]);
});

test("a task begun with a victim is called as its work is", async () => {
  const failure = await thrownBy(
    explore((victim) =>
      taskGroup((group) => {
        group.startSoon(
          victim(function* consumer() {
            yield* sleepForever();
          }),
        );
      }),
    ),
  );
  expect((failure as ScheduleFailure).trace).toContain("starts consumer#2");
});
