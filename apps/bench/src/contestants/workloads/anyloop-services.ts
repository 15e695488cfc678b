/** The services of the workloads, as anyloop has them: plain objects, handed to whoever needs them. */
import { type Coroutine, type Operation, operation, perform } from "anyloop";
import { checkpoint } from "anyloop/lowlevel";
import { anonymous, isNobody, type User, userOf } from "./domain.ts";

class UserNotFound extends Error {
  override readonly name = "UserNotFound";
  readonly id: number;

  constructor(id: number) {
    super(`Nobody has the id ${String(id)}.`);
    this.id = id;
  }
}

export class Directory {
  /** How often it was asked. */
  calls = 0;

  /** Gives way once, as a driver does that asks over the network. @throws UserNotFound. */
  find(id: number): Operation<User> {
    return perform(this, this.#find, id);
  }

  *#find(id: number): Coroutine<User> {
    this.calls++;
    yield* checkpoint();
    if (isNobody(id)) throw new UserNotFound(id);
    return userOf(id);
  }
}

export const orAnonymous: (finding: Operation<User>) => Operation<User> = operation(function* orAnonymous(
  finding: Operation<User>,
): Coroutine<User> {
  try {
    return yield* finding;
  } catch (error) {
    if (error instanceof UserNotFound) return anonymous;
    throw error;
  }
});

export class Metrics {
  readonly #counters = new Map<string, number>();

  increment(name: string): void {
    this.#counters.set(name, this.count(name) + 1);
  }

  count(name: string): number {
    return this.#counters.get(name) ?? 0;
  }
}
