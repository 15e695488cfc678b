/** Queues and memory streams against simple models, with random schedules. */
import { CancelScope, memoryStream, moveOnAfter, Queue, run, taskGroup, WouldBlock } from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { kernel, VirtualClock } from "@anyloop/kernel";
import { expect, test } from "vitest";
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
