/** Random trees of scopes, and storms of cancellations. */
import {
  CancelScope,
  type Coroutine,
  isCancelled,
  run,
  shield,
  sleep,
  sleepForever,
  taskGroup,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { kernel, VirtualClock } from "@anyloop/kernel";
import { expect, test } from "vitest";
import * as fc from "fast-check";

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
