/** Queues, limiters and memory streams against simple models, with random schedules; and the timers of both backends. */
import {
  BrokenResourceError,
  CancelScope,
  CapacityLimiter,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  Event,
  type MemoryReceiveStream,
  type MemorySendStream,
  memoryStream,
  moveOnAfter,
  Queue,
  run,
  type Task,
  taskGroup,
  WouldBlock,
} from "@anyloop/core";
import { checkpoint, TimerEntry, TimerHeap } from "@anyloop/core/lowlevel";
import { kernel, VirtualClock } from "@anyloop/kernel";
import { expect, test } from "vitest";
import { waitAllTasksBlocked } from "@anyloop/testing";
import * as fc from "fast-check";

const order = fc.constantFrom("fifo" as const, "lifo" as const, "sorted" as const);

test("a queue without waiting behaves as its model", () => {
  fc.assert(
    fc.property(
      order,
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.option(fc.integer({ min: 0, max: 9 }), { nil: undefined })),
      (kind, capacity, commands) => {
        const queue = new Queue<number>({
          capacity,
          order: kind === "sorted" ? (a, b) => a - b : kind,
        });
        const model: number[] = [];
        for (const command of commands) {
          if (command === undefined) {
            if (model.length === 0) {
              expect(() => queue.getNowait()).toThrow(WouldBlock);
              continue;
            }
            if (kind === "sorted") model.sort((a, b) => a - b);
            expect(queue.getNowait()).toBe(kind === "lifo" ? model.pop() : model.shift());
          } else if (model.length === capacity) {
            expect(() => queue.putNowait(command)).toThrow(WouldBlock);
          } else {
            queue.putNowait(command);
            model.push(command);
          }
          expect(queue.size).toBe(model.length);
        }
      },
    ),
  );
});

/** Sends and receives with timeouts that hit by chance: every item once, in each sender's order. */
async function exchange(
  capacity: number,
  seed: number,
  senders: number[][],
  patience: number[],
): Promise<void> {
  const sent: number[][] = senders.map(() => []);
  const got: number[] = [];
  await run(
    function* () {
      const [send, receive] = memoryStream<number>(capacity);
      yield* taskGroup(function* (group) {
        senders.forEach((delays, sender) => {
          const end = send.clone();
          group.startSoon(function* () {
            for (const [index, delay] of delays.entries()) {
              const item = sender * 1000 + index;
              const scope = new CancelScope({ timeout: delay });
              yield* scope.run(function* () {
                yield* end.send(item);
                sent[sender]?.push(item);
              });
              yield* checkpoint();
            }
            yield* end.close();
          });
        });
        yield* send.close();
        for (let turn = 0; ; turn++) {
          const next = yield* moveOnAfter(patience[turn % patience.length] as number, receive.next());
          if (next === undefined) continue;
          if (next.done === true) break;
          got.push(next.value);
        }
      });
    },
    { backend: kernel({ seed, clock: new VirtualClock() }) },
  );
  expect(got.toSorted((a, b) => a - b)).toEqual(sent.flat().toSorted((a, b) => a - b));
  senders.forEach((_, sender) => {
    expect(got.filter((item) => Math.floor(item / 1000) === sender)).toEqual(sent[sender]);
  });
}

test("a memory stream loses and doubles nothing, whoever is cancelled", async () => {
  const delay = fc.integer({ min: 0, max: 3 });
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 3 }),
      fc.nat(),
      fc.array(fc.array(delay, { maxLength: 8 }), { minLength: 1, maxLength: 4 }),
      fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 }),
      exchange,
    ),
    { numRuns: 60 },
  );
});

/** Tasks that ask for something and wait; what is known of each is whether it has it. */
type Line = "waiting" | "has" | "gone";

const limiterCommand = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ do: "ask" as const, at: 0 }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("release" as const), at: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("cancel" as const), at: fc.nat(9) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("total" as const), at: fc.nat(4) }) },
);

test("a limiter behaves as its model, whoever asks, gives up and gives back while it grows and shrinks", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(limiterCommand, { maxLength: 25 }), fc.nat(), async (commands, seed) => {
      const body = function* (): Coroutine<void> {
        const limiter = new CapacityLimiter(1);
        const model: Line[] = [];
        const real: Line[] = [];
        const done: Event[] = [];
        const tasks: Task<void>[] = [];
        /** The one that a command is about, of those that are as it says. */
        const pick = (line: Line, at: number): number => {
          const those = [...model.keys()].filter((index) => model[index] === line);
          return those[at % those.length] ?? -1;
        };
        const ask = function* (index: number): Coroutine<void> {
          try {
            using _held = yield* limiter.acquireOnBehalfOf(index);
            real[index] = "has";
            yield* (done[index] as Event).wait();
          } finally {
            real[index] = "gone";
          }
        };
        yield* taskGroup(function* (group) {
          for (const command of commands) {
            if (command.do === "ask") {
              const index = model.push("waiting") - 1;
              real.push("waiting");
              done.push(new Event());
              tasks.push(group.startSoon(() => ask(index)));
            } else if (command.do === "total") {
              limiter.totalTokens = command.at;
            } else {
              const index = pick(command.do === "release" ? "has" : "waiting", command.at);
              if (index < 0) continue;
              if (command.do === "release") done[index]?.set();
              else tasks[index]?.cancel();
              model[index] = "gone";
            }
            let free = limiter.totalTokens - model.filter((line) => line === "has").length;
            for (; free > 0 && pick("waiting", 0) >= 0; free--) model[pick("waiting", 0)] = "has";
            yield* waitAllTasksBlocked();
            expect(real).toEqual(model);
            expect(limiter.availableTokens).toBe(Math.max(0, free));
            expect(limiter.statistics().tasksWaiting).toBe(model.filter((line) => line === "waiting").length);
          }
          group.cancel();
        });
      };
      await run(body, { backend: kernel({ seed, clock: new VirtualClock() }) });
    }),
    { numRuns: 60 },
  );
});

const queueCommand = fc.record({
  do: fc.constantFrom("put" as const, "get" as const, "cancel a put" as const, "cancel a get" as const),
  at: fc.nat(9),
});

interface Asked {
  readonly task: Task<unknown>;
  readonly item: number;
}

test("a queue behaves as its model, whoever waits for an item or for room and gives up", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.array(queueCommand, { maxLength: 30 }),
      fc.nat(),
      async (capacity, commands, seed) => {
        const body = function* (): Coroutine<void> {
          const queue = new Queue<number>({ capacity });
          const held: number[] = [];
          const putters: Asked[] = [];
          const getters: Asked[] = [];
          const got: number[] = [];
          const expected: number[] = [];
          let items = 0;
          const settle = (): void => {
            for (;;) {
              const first = putters[0];
              if (held.length > 0 && getters.length > 0) {
                getters.shift();
                expected.push(held.shift() as number);
              } else if (first !== undefined && held.length < capacity) {
                held.push(first.item);
                putters.shift();
              } else {
                return;
              }
            }
          };
          const get = function* (): Coroutine<void> {
            got.push(yield* queue.get());
          };
          yield* taskGroup(function* (group) {
            for (const { do: what, at } of commands) {
              if (what === "put") {
                putters.push({ task: group.startSoon(queue.put(items)), item: items });
                items++;
              } else if (what === "get") {
                getters.push({ task: group.startSoon(get), item: -1 });
              } else {
                const line = what === "cancel a put" ? putters : getters;
                if (line.length > 0) line.splice(at % line.length, 1)[0]?.task.cancel();
              }
              settle();
              yield* waitAllTasksBlocked();
              expect(got).toEqual(expected);
              expect(queue.size).toBe(held.length);
            }
            group.cancel();
          });
        };
        await run(body, { backend: kernel({ seed, clock: new VirtualClock() }) });
      },
    ),
    { numRuns: 60 },
  );
});

const streamCommand = fc.record({
  do: fc.constantFrom("send" as const, "receive" as const, "clone" as const, "close" as const),
  side: fc.boolean(),
  at: fc.nat(5),
});

/** A handle, and whether the model thinks it open. */
interface Handle<E> {
  readonly end: E;
  isOpen: boolean;
}

test("the handles and the buffer of a memory stream behave as their model", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 3 }),
      fc.array(streamCommand, { maxLength: 40 }),
      async (capacity, commands) => {
        const body = function* (): Coroutine<void> {
          const [send, receive] = memoryStream<number>(capacity);
          const senders: Handle<MemorySendStream<number>>[] = [{ end: send, isOpen: true }];
          const receivers: Handle<MemoryReceiveStream<number>>[] = [{ end: receive, isOpen: true }];
          const buffer: number[] = [];
          let items = 0;
          const isOpen = (handle: Handle<unknown>): boolean => handle.isOpen;
          for (const { do: what, side, at } of commands) {
            const sender = senders[at % senders.length] as (typeof senders)[0];
            const receiver = receivers[at % receivers.length] as (typeof receivers)[0];
            const handle = side ? sender : receiver;
            if (what === "send") {
              const put = (): void => sender.end.sendNowait(items);
              if (!sender.isOpen) expect(put).toThrow(ClosedResourceError);
              else if (!receivers.some(isOpen)) expect(put).toThrow(BrokenResourceError);
              else if (buffer.length === capacity) expect(put).toThrow(WouldBlock);
              else {
                put();
                buffer.push(items++);
              }
            } else if (what === "receive") {
              const take = (): number => receiver.end.receiveNowait();
              if (!receiver.isOpen) expect(take).toThrow(ClosedResourceError);
              else if (buffer.length > 0) expect(take()).toBe(buffer.shift());
              else expect(take).toThrow(senders.some(isOpen) ? WouldBlock : EndOfStream);
            } else if (what === "close") {
              yield* handle.end.close();
              handle.isOpen = false;
            } else if (!handle.isOpen) {
              expect(() => handle.end.clone()).toThrow(ClosedResourceError);
            } else if (side) {
              senders.push({ end: sender.end.clone(), isOpen: true });
            } else {
              receivers.push({ end: receiver.end.clone(), isOpen: true });
            }
            expect(send.statistics()).toMatchObject({
              currentBufferUsed: buffer.length,
              openSendStreams: senders.filter(isOpen).length,
              openReceiveStreams: receivers.filter(isOpen).length,
            });
          }
        };
        await run(body, { backend: kernel() });
      },
    ),
  );
});

class Alarm extends TimerEntry {
  expire(): void {
    this.timer.expired();
  }
}

test("a heap of timers expires what is due, operations first, each by deadline, then by registration", () => {
  const time = fc.integer({ min: 0, max: 30 });
  const add = fc.record({ kind: fc.constant("add" as const), time, cancels: fc.boolean() });
  const remove = fc.record({ kind: fc.constant("remove" as const), which: fc.nat() });
  const expire = fc.record({ kind: fc.constant("expire" as const), time });
  // Mostly adding: what may go wrong with a heap goes wrong in a deep one.
  const command = fc.oneof(
    { weight: 16, arbitrary: add },
    { weight: 8, arbitrary: remove },
    { weight: 1, arbitrary: expire },
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 150, size: "max" }), (commands) => {
      const heap = new TimerHeap<Alarm>();
      let model: { id: number; time: number; cancels: boolean; entry: Alarm }[] = [];
      const expired: number[] = [];
      const expected: number[] = [];
      for (const [id, step] of commands.entries()) {
        if (step.kind === "add") {
          const order = step.cancels ? "deadline" : "operation";
          const entry = new Alarm({ expired: () => void expired.push(id) }, order);
          heap.add(entry, step.time);
          model.push({ id, time: step.time, cancels: step.cancels, entry });
        } else if (step.kind === "expire") {
          heap.expire(step.time);
          const due = model.filter((timer) => timer.time <= step.time);
          model = model.filter((timer) => timer.time > step.time);
          due.sort((a, b) => Number(a.cancels) - Number(b.cancels) || a.time - b.time || a.id - b.id);
          expected.push(...due.map((timer) => timer.id));
        } else if (model.length > 0) {
          const [removed] = model.splice(step.which % model.length, 1);
          expect(removed && heap.remove(removed.entry)).toBe(true);
          expect(removed && heap.remove(removed.entry)).toBe(false);
        }
        expect(heap.deadline).toBe(Math.min(Infinity, ...model.map((timer) => timer.time)));
        expect(expired).toEqual(expected);
      }
    }),
    { numRuns: 300 },
  );
});
