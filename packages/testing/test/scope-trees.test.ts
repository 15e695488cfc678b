/** Random trees of scopes, and storms of cancellations. */
import { type Act, type Entry, type Group, Model, type Scope, type Sleep, type Step } from "./scope-model.ts";
import {
  CancelScope,
  type Coroutine,
  isCancelled,
  now,
  run,
  shield,
  sleep,
  sleepForever,
  sleepUntil,
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

/** Real times are told apart by these: no two things of a program happen at the same time by chance. */
const unit = 1_000_000;
const fractionOf = (id: number): number => (id * 7919 + 104_729) % 99_991;

interface Shape {
  readonly kind: "sleep" | "scope" | "group";
  readonly length: number;
  readonly shield: boolean;
  readonly deadline: number | undefined;
  readonly swallows: boolean;
  readonly cleanUp: "none" | "plain" | "shielded";
  readonly body: readonly Shape[];
  readonly children: readonly (readonly Shape[])[];
}

function shapes(depth: number): fc.Arbitrary<readonly Shape[]> {
  return fc.array(shape(depth), { minLength: 1, maxLength: 3 });
}

function shape(depth: number): fc.Arbitrary<Shape> {
  return fc.record({
    kind: depth === 0 ? fc.constant("sleep" as const) : fc.constantFrom("sleep" as const, "scope", "group"),
    length: fc.integer({ min: 0, max: 6 }),
    shield: fc.boolean(),
    deadline: fc.option(fc.integer({ min: 0, max: 12 }), { nil: undefined }),
    swallows: fc.boolean(),
    cleanUp: fc.constantFrom("none" as const, "plain", "shielded"),
    body: depth === 0 ? fc.constant([]) : shapes(depth - 1),
    children: depth === 0 ? fc.constant([]) : fc.array(shapes(depth - 1), { maxLength: 3 }),
  });
}

/** Gives everything its number, and a time of its own. */
class Numbering {
  private last = 0;
  readonly targets: number[] = [];

  steps(all: readonly Shape[]): Step[] {
    return all.map((each) => this.step(each));
  }

  private sleep(length: number): Sleep {
    const id = ++this.last;
    return { kind: "sleep", id, length: length * unit + fractionOf(id) };
  }

  private step({ kind, length, shield, deadline, swallows, cleanUp, body, children }: Shape): Step {
    if (kind === "sleep") return this.sleep(length);
    const id = ++this.last;
    this.targets.push(id);
    if (kind === "group") {
      return {
        kind,
        id,
        body: this.steps(body),
        children: children.map((child) => [this.sleep(0), ...this.steps(child)]),
      };
    }
    return {
      kind,
      id,
      shield,
      deadline: deadline === undefined ? Infinity : deadline * unit + fractionOf(id),
      swallows,
      body: this.steps(body),
      cleanUp: cleanUp === "none" ? undefined : this.sleep(length),
      shieldsCleanUp: cleanUp === "shielded",
    };
  }
}

/** The same program, done by core. */
class Reality {
  readonly log: Entry[] = [];
  private readonly scopes = new Map<number, CancelScope>();

  /** Scopes are made before anything runs: they can be cancelled and shielded before they are entered. */
  constructor(steps: readonly Step[]) {
    for (const step of steps) this.prepare(step);
  }

  *perform(steps: readonly Step[]): Coroutine<void> {
    for (const step of steps) {
      if (step.kind === "sleep") yield* this.sleep(step);
      else if (step.kind === "scope") yield* this.scope(step);
      else yield* this.group(step);
    }
  }

  act({ target, what }: Act): void {
    const scope = this.scopes.get(target);
    if (scope === undefined) return;
    if (what === "cancel") scope.cancel();
    else scope.shield = what === "shield";
  }

  private prepare(step: Step): void {
    if (step.kind === "sleep") return;
    if (step.kind === "scope") {
      this.scopes.set(step.id, new CancelScope({ shield: step.shield, deadline: step.deadline }));
    }
    for (const inner of step.body) this.prepare(inner);
    if (step.kind === "group")
      for (const child of step.children) for (const inner of child) this.prepare(inner);
  }

  private *sleep({ id, length }: Sleep): Coroutine<void> {
    try {
      yield* sleep(length);
      this.log.push([id, "slept", now()]);
    } catch (error) {
      this.log.push([id, "cancelled", now()]);
      throw error;
    }
  }

  private *scope({ id, body, swallows, cleanUp, shieldsCleanUp }: Scope): Coroutine<void> {
    const scope = this.scopes.get(id) as CancelScope;
    const reality = this;
    try {
      yield* scope.run(function* () {
        try {
          yield* reality.perform(body);
        } catch (error) {
          if (!swallows) throw error;
        } finally {
          if (cleanUp !== undefined) {
            yield* shieldsCleanUp ? shield(() => reality.sleep(cleanUp)) : reality.sleep(cleanUp);
          }
        }
      });
    } finally {
      this.log.push([id, scope.cancelledCaught ? "caught" : "left", now()]);
    }
  }

  private *group({ id, body, children }: Group): Coroutine<void> {
    let scope: CancelScope | undefined;
    const reality = this;
    try {
      yield* taskGroup(function* (group) {
        ({ scope } = group);
        reality.scopes.set(id, scope);
        for (const child of children) group.startSoon(() => reality.perform(child));
        yield* reality.perform(body);
      });
    } finally {
      this.log.push([id, scope?.cancelledCaught === true ? "caught" : "left", now()]);
    }
  }
}

async function performed(steps: readonly Step[], acts: readonly Act[], seed: number): Promise<Entry[]> {
  const reality = new Reality(steps);
  await run(
    () =>
      taskGroup(function* (group) {
        for (const act of acts) {
          group.startSoon(
            function* () {
              yield* sleepUntil(act.time);
              reality.act(act);
            },
            { daemon: true },
          );
        }
        yield* reality.perform(steps);
      }),
    { backend: kernel({ seed, clock: new VirtualClock() }) },
  );
  return reality.log;
}

const sorted = (log: readonly Entry[]): Entry[] => log.toSorted(([a], [b]) => a - b);

const anAct = fc.tuple(
  fc.integer({ min: 0, max: 14 }),
  fc.nat(),
  fc.constantFrom("cancel" as const, "shield", "unshield"),
);

test("trees of tasks, scopes, shields, deadlines and cancels do what the model of trio's rules says", async () => {
  await fc.assert(
    fc.asyncProperty(shapes(3), fc.array(anAct, { maxLength: 6 }), fc.nat(), async (program, drawn, seed) => {
      const numbering = new Numbering();
      const steps = numbering.steps(program);
      const { targets } = numbering;
      const acts = drawn.map(([time, target, what], index): Act => ({
        time: time * unit + fractionOf(10_000 + index),
        target: targets[target % targets.length] ?? 0,
        what,
      }));
      const model = new Model(acts);
      model.perform(steps);
      expect(sorted(await performed(steps, acts, seed))).toEqual(sorted(model.log));
    }),
    { numRuns: 400 },
  );
});
