/**
 * Several things at once, the first of them.
 *
 * Invariant: the others are cancelled in the same stack in which the first leaf operation is resumed, so of operations
 * given directly only one completes and nothing that was handed over to another is lost. The result is given after all
 * have ended.
 */
import { startable } from "./body.ts";
import { isLeaf } from "./brand.ts";
import { call } from "./call.ts";
import { isCancelled, UsageError } from "./errors.ts";
import { operation } from "./operation.ts";
import type { Group } from "./task-group.ts";
import { taskGroup } from "./task-group.ts";
import { TaskStrand } from "./task.ts";
import type { AnyWork, Coroutine, Operation, ResultOf } from "./types.ts";

class Contest {
  winner: Contestant | undefined = undefined;
  private group: Group | undefined = undefined;

  *hold(group: Group, works: readonly AnyWork[]): Coroutine<void> {
    this.group = group;
    const { host, scope } = group;
    for (const work of works) {
      const contestant = new Contestant(host.run, startable(work), group, undefined, host.task.locals, scope);
      contestant.contest = this;
      group.adopt(contestant, false);
    }
  }

  won(contestant: Contestant): void {
    if (this.winner !== undefined) return;
    this.winner = contestant;
    this.group?.cancel("another was first");
  }
}

class Contestant extends TaskStrand {
  contest: Contest | undefined = undefined;

  override wake(failed: boolean, value: unknown): void {
    super.wake(failed, value);
    if (this.isDirect && !isCancelled(value)) this.contest?.won(this);
  }

  /** The race ends in the stack in which its first operation is resumed, so none may be resumed by way of a step. */
  override wakeInJob(failed: boolean, value: unknown): void {
    this.wake(failed, value);
  }

  override wakeFromHost(failed: boolean, value: unknown): void {
    this.wake(failed, value);
  }

  /** An operation given directly acquires for the task that races, which goes on with what it was given. */
  override get claimant(): TaskStrand {
    return this.isDirect ? (this.parent ?? this).claimant : this;
  }

  private get isDirect(): boolean {
    return this.frame === undefined && isLeaf(this.iterator);
  }

  protected override end(failed: boolean, value: unknown): void {
    if (!(failed && isCancelled(value))) this.contest?.won(this);
    super.end(failed, value);
  }
}

const performRace = operation(function* race(works: readonly AnyWork[]): Coroutine<unknown> {
  const contest = new Contest();
  try {
    yield* taskGroup((group) => contest.hold(group as Group, works), { name: "race" });
  } catch (error) {
    // Won before the cancellation came: the race has happened, and what its winner was given is not thrown away.
    if (!isCancelled(error) || contest.winner?.status !== "finished") throw error;
  }
  return (contest.winner as Contestant).value;
});

function atLeastOne(work: Iterable<AnyWork>, name: string): readonly AnyWork[] {
  const works = [...work];
  if (works.length === 0)
    throw new UsageError(`${name}([]) would never end. Give it at least one piece of work.`);
  return works;
}

/**
 * Performs everything at once and gives the first result; the others are cancelled and have ended by then. Of operations
 * given directly exactly one completes. Bodies may both complete; then the later value is dropped.
 *
 * ```ts
 * const first = await race([async () => "now", sleep(60_000)]);
 * console.log(first); // now
 * ```
 *
 * @throws the first's error, if that is how it ended; a loser's real error; UsageError for nothing to race.
 */
export function race<W extends AnyWork>(work: Iterable<W>): Operation<ResultOf<W>> {
  return performRace(atLeastOne(work, "race")) as Operation<ResultOf<W>>;
}

interface Attempts {
  won: boolean;
  value: unknown;
  /** In the order of the arguments, as those of `Promise.any`. */
  readonly errors: unknown[];
}

const attempt = operation(function* attempt(
  group: Group,
  work: AnyWork,
  index: number,
  attempts: Attempts,
): Coroutine<void> {
  try {
    const value = yield* call(work);
    if (attempts.won) return;
    attempts.won = true;
    attempts.value = value;
    group.cancel("another has succeeded");
  } catch (error) {
    if (isCancelled(error)) throw error;
    attempts.errors[index] = error;
  }
});

const performAny = operation(function* any(works: readonly AnyWork[]): Coroutine<unknown> {
  const attempts: Attempts = { won: false, value: undefined, errors: [] };
  yield* taskGroup(
    (group) => {
      for (const [index, work] of works.entries())
        group.startSoon(attempt(group as Group, work, index, attempts));
    },
    { name: "any" },
  );
  if (attempts.won) return attempts.value;
  throw new AggregateError(attempts.errors, "Nothing of what any() was given has succeeded.", {
    cause: attempts.errors[0],
  });
});

/**
 * Performs everything at once and gives the first result that is no failure; the others are cancelled. Two may complete
 * in one turn; then the later value is dropped. For operations that take something, use `race`.
 * @throws AggregateError with all errors, in the order of the arguments, if everything failed; UsageError for nothing to try.
 */
export function any<W extends AnyWork>(work: Iterable<W>): Operation<ResultOf<W>> {
  return performAny(atLeastOne(work, "any")) as Operation<ResultOf<W>>;
}
