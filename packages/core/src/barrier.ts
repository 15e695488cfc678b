/** A barrier: tasks wait for each other until so many have come, then all go on; and again for the next so many. */
import { UsageError } from "./errors.ts";
import type { Strand } from "./strand.ts";
import type { Operation } from "./types.ts";
import { Queued, WaitQueue } from "./wait-queue.ts";

/** From asyncio and curio. One that is cancelled while it waits leaves, and another must come instead. */
export class Barrier {
  readonly parties: number;
  /** @internal */
  readonly line: WaitQueue<Arrive> = new WaitQueue();

  /** @throws UsageError unless `parties` is a whole number, 1 or more. */
  constructor(parties: number) {
    if (!Number.isInteger(parties) || parties < 1) {
      throw new UsageError(
        `A barrier for ${String(parties)} tasks cannot be. Give a whole number, 1 or more.`,
      );
    }
    this.parties = parties;
  }

  /** How many wait. */
  get waiting(): number {
    return this.line.size;
  }

  /** Waits for the others; gives the place in the order of arrival, from 0. */
  wait(): Operation<number> {
    return new Arrive(this);
  }
}

class Arrive extends Queued<number> {
  get label(): string {
    return "the others at a barrier";
  }

  private readonly barrier: Barrier;

  constructor(barrier: Barrier) {
    super(barrier.line);
    this.barrier = barrier;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { line, parties } = this.barrier;
    if (line.size + 1 < parties) return this.queueUp(strand);
    let place = 0;
    for (let next = line.shift(); next !== undefined; next = line.shift()) next.resume(place++);
    return this.complete(strand, place);
  }
}
