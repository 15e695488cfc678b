/** Random schedules against simple models. */
import {
  CancelScope,
  type Coroutine,
  isCancelled,
  memoryStream,
  moveOnAfter,
  Queue,
  run,
  shield,
  sleep,
  sleepForever,
  taskGroup,
  WouldBlock,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { kernel, VirtualClock } from "@anyloop/kernel";
import * as fc from "fast-check";
import { expect, test } from "vitest";

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

interface Node {
  readonly shield: boolean;
  readonly deadline: number;
  readonly children: readonly Node[];
}

/** Trees of at most so many levels below. */
function treeOf(levels: number): fc.Arbitrary<Node> {
  return fc.record({
    shield: fc.boolean(),
    deadline: fc.constantFrom(1, 2, 3, 4, 5, Infinity),
    children: levels === 0 ? fc.constant([]) : fc.array(treeOf(levels - 1), { maxLength: 3 }),
  });
}

/** When each task is cancelled, from the top: the least deadline that no shield hides, or its own end. */
function modelOf(node: Node, outer = Infinity): number[] {
  const seen = node.shield ? node.deadline : Math.min(outer, node.deadline);
  return [Math.min(seen, 10), ...node.children.flatMap((child) => modelOf(child, seen))];
}

function* perform(
  node: Node,
  start: number,
  seen: [number, number][],
  now: () => number,
  counter: { next: number },
): Coroutine<void> {
  const id = counter.next++;
  const scope = new CancelScope({ deadline: start + node.deadline, shield: node.shield });
  yield* scope.run(function* () {
    yield* taskGroup(function* (group) {
      for (const child of node.children) {
        const own = { next: counter.next };
        counter.next += size(child);
        group.startSoon(() => perform(child, start, seen, now, own));
      }
      try {
        yield* sleep(start + 10 - now());
      } finally {
        seen.push([id, now() - start]);
      }
    });
  });
}

function size(node: Node): number {
  return 1 + node.children.reduce((total, child) => total + size(child), 0);
}

test("a tree of scopes with deadlines and shields cancels each task when the model says", async () => {
  await fc.assert(
    fc.asyncProperty(treeOf(3), fc.nat(), async (root, seed) => {
      const clock = new VirtualClock();
      const seen: [number, number][] = [];
      await run(() => perform(root, 0, seen, () => clock.now(), { next: 0 }), {
        backend: kernel({ seed, clock }),
      });
      const times = seen.toSorted(([a], [b]) => a - b).map(([, time]) => time);
      expect(times).toEqual(modelOf(root));
    }),
    { numRuns: 150 },
  );
});

test("a random storm of cancels, shields and failures always ends, with every task ended", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.array(
        fc.tuple(fc.nat({ max: 9 }), fc.constantFrom("cancel", "shield", "unshield", "fail", "wait")),
        {
          maxLength: 30,
        },
      ),
      async (seed, commands) => {
        const scopes = Array.from({ length: 10 }, () => new CancelScope());
        let alive = 0;
        const boom = new Error("boom");
        let failed = false;
        let thrown: unknown;
        try {
          await run(
            function* () {
              yield* taskGroup(function* (group) {
                for (const scope of scopes) {
                  group.startSoon(function* () {
                    alive++;
                    try {
                      yield* scope.run(sleepForever());
                      yield* checkpoint();
                    } catch (error) {
                      yield* shield(sleep(1));
                      throw error;
                    } finally {
                      alive--;
                    }
                  });
                }
                yield* checkpoint();
                for (const [index, command] of commands) {
                  const scope = scopes[index] as CancelScope;
                  if (command === "cancel") scope.cancel();
                  else if (command === "shield") scope.shield = true;
                  else if (command === "unshield") scope.shield = false;
                  else if (command === "wait") yield* sleep(1);
                  else {
                    failed = true;
                    for (const other of scopes) other.shield = false;
                    throw boom;
                  }
                }
                for (const scope of scopes) scope.shield = false;
                group.cancel();
              });
            },
            { backend: kernel({ seed, clock: new VirtualClock() }) },
          );
        } catch (error) {
          thrown = error;
        }
        expect(alive).toBe(0);
        expect(thrown).toBe(failed ? boom : undefined);
        expect(isCancelled(thrown)).toBe(false);
      },
    ),
    { numRuns: 100 },
  );
});
