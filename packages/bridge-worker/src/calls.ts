/**
 * Calls to the other side of a port: what portals and queues are made of there.
 *
 * Invariant: each call is answered exactly once: with a value, with an error, or with the word that it was cancelled and
 * did not happen. Whoever is cancelled asks the other side to stop, and waits for its answer: a value that comes anyway
 * wins, so nothing that was handed over is lost.
 *
 * A request is `[number, name, ...arguments]`, or `[number]` alone, which takes it back; an answer is `[number, outcome,
 * content]`. Arrays of plain values are flat, so small calls go out together, as small items do.
 */
import {
  BrokenResourceError,
  type Coroutine,
  EndOfStream,
  type Operation,
  RunFinishedError,
  UsageError,
} from "@anyloop/core";
import { type Cancelled, HostLeaf, type Strand } from "@anyloop/core/lowlevel";
import type { Port } from "./port.ts";
import { PortChannel } from "./port-channel.ts";
import { packError, type SentError, unpackError } from "./sent-error.ts";

const outcomes = { value: 0, error: 1, cancelled: 2 } as const;

type Request = readonly [number: number, name?: string, ...args: readonly unknown[]];
type Answer = readonly [number: number, outcome: number, content: unknown];

/** The side that calls. */
export class Caller {
  readonly channel: PortChannel;
  /** Calls that were not answered. */
  readonly open: Map<number, Call<unknown>> = new Map();
  /** Those of them that could not be sent yet: the other side has not opened. */
  readonly unsent: Set<Call<unknown>> = new Set();
  private last = 0;

  constructor(port: Port, name: string) {
    this.channel = new PortChannel(port, name, Infinity, () => this.settle());
  }

  call(name: string, args: readonly unknown[]): Operation<unknown> {
    return new Call(this, name, args);
  }

  /** Calls that wait fail with ClosedResourceError, and are cancelled over there. */
  close(): void {
    this.channel.end();
    this.channel.stop();
    this.settle();
  }

  nextNumber(): number {
    return ++this.last;
  }

  /** Why nothing can be called. */
  problem(): Error | undefined {
    const { channel } = this;
    const problem = channel.receiveProblem() ?? channel.sendProblem();
    // Who serves has ended, and has said so: in order, or with that very error.
    if (problem instanceof BrokenResourceError && problem.cause instanceof RunFinishedError)
      return problem.cause;
    return problem instanceof EndOfStream ? new RunFinishedError() : problem;
  }

  private settle(): void {
    const { channel, open, unsent } = this;
    while (channel.hasItem) {
      const [number, outcome, content] = channel.take() as Answer;
      const call = open.get(number);
      open.delete(number);
      call?.answer(outcome, content);
    }
    // Each may go on at once and have others cancelled, which leave by themselves then.
    for (const [number, call] of open) {
      // Each its own error, as each is thrown somewhere else.
      const problem = this.problem();
      if (problem === undefined) break;
      open.delete(number);
      unsent.delete(call);
      call.fail(problem);
    }
    if (!channel.hasRoom) return;
    for (const call of unsent) {
      unsent.delete(call);
      call.send();
    }
  }
}

class Call<T> extends HostLeaf<T> {
  get label(): string {
    return `the answer to ${this.name}()`;
  }

  number = 0;
  private readonly caller: Caller;
  private readonly name: string;
  private readonly args: readonly unknown[];
  private cancelled: Cancelled | undefined = undefined;

  constructor(caller: Caller, name: string, args: readonly unknown[]) {
    super();
    this.caller = caller;
    this.name = name;
    this.args = args;
  }

  protected enter(strand: Strand): IteratorResult<unknown, unknown> {
    const { caller } = this;
    const problem = caller.problem();
    if (problem !== undefined) return this.refuse(strand, problem);
    this.number = caller.nextNumber();
    this.cancelled = undefined;
    if (caller.channel.hasRoom) {
      try {
        this.sendRequest();
      } catch (error) {
        return this.refuse(strand, error);
      }
    } else {
      caller.unsent.add(this);
    }
    caller.open.set(this.number, this);
    caller.channel.link.hold();
    return this.park(strand);
  }

  /** The other side is there now. */
  send(): void {
    try {
      this.sendRequest();
    } catch (error) {
      this.caller.open.delete(this.number);
      this.fail(error);
    }
  }

  answer(outcome: number, content: unknown): void {
    if (outcome === outcomes.value) this.resume(content as T);
    else if (outcome === outcomes.error) this.fail(unpackError(content as SentError));
    else this.fail(this.cancelled);
  }

  protected abort(cancelled: Cancelled): boolean {
    const { caller } = this;
    if (caller.unsent.delete(this)) {
      caller.open.delete(this.number);
      return true;
    }
    this.cancelled = cancelled;
    caller.channel.send([this.number], undefined);
    return false;
  }

  protected override unpark(): Strand {
    this.caller.channel.link.release();
    return super.unpark();
  }

  private sendRequest(): void {
    const request: Request = [this.number, this.name, ...this.args];
    this.caller.channel.send(request, undefined);
  }
}

/** Where the answer to a call goes. The first one counts. */
export interface Answering {
  value(value: unknown): void;
  error(error: unknown): void;
  cancelled(): void;
}

/** Does what is called, and answers, now or later. What it gives back is called at most once, if the caller is cancelled. */
export type Serve = (name: string, args: readonly unknown[], answering: Answering) => () => void;

/** The side that is called. */
export class Server {
  readonly channel: PortChannel;
  private readonly serve: Serve;
  private readonly onOver: (isInOrder: boolean) => void;
  private readonly cancels = new Map<number, () => void>();

  /** `onOver` is called once nobody will call any more: whoever called has closed, in order, or is gone. */
  constructor(port: Port, name: string, serve: Serve, onOver: (isInOrder: boolean) => void) {
    this.serve = serve;
    this.onOver = onOver;
    this.channel = new PortChannel(port, name, Infinity, () => this.settle(), true);
  }

  /** Takes what was said before we came: calls, and perhaps already that there will be no more. */
  begin(): void {
    this.settle();
  }

  /** Waits, and keeps the process alive meanwhile. */
  *whileServing(wait: Operation<void>): Coroutine<void> {
    const { link } = this.channel;
    link.hold();
    try {
      yield* wait;
    } finally {
      link.release();
    }
  }

  /** Calls that come from now on, and those that were not answered, fail with the error. */
  close(error: unknown): void {
    this.channel.end({ error });
    this.channel.stop({ error });
    this.cancelAll();
  }

  private settle(): void {
    const { channel } = this;
    while (channel.hasItem) this.take(channel.take() as Request);
    const problem = channel.receiveProblem();
    if (problem === undefined) return;
    this.cancelAll();
    this.channel.end();
    this.onOver(problem instanceof EndOfStream);
  }

  private cancelAll(): void {
    const cancels = [...this.cancels.values()];
    this.cancels.clear();
    for (const cancel of cancels) cancel();
  }

  private take([number, name, ...args]: Request): void {
    if (name === undefined) {
      const cancel = this.cancels.get(number);
      this.cancels.delete(number);
      cancel?.();
      return;
    }
    let isAnswered = false;
    const answer = (outcome: number, content: unknown): void => {
      if (isAnswered) return;
      this.answer(number, outcome, content);
      isAnswered = true;
      this.cancels.delete(number);
    };
    const answering: Answering = {
      value: (value) => answer(outcomes.value, value),
      error: (error) => answer(outcomes.error, packError(error)),
      cancelled: () => answer(outcomes.cancelled, undefined),
    };
    let cancel: () => void;
    try {
      cancel = this.serve(name, args, answering);
    } catch (error) {
      answering.error(error);
      return;
    }
    if (!isAnswered) this.cancels.set(number, cancel);
  }

  private answer(number: number, outcome: number, content: unknown): void {
    if (this.channel.sendProblem() !== undefined) return;
    const answer: Answer = [number, outcome, content];
    try {
      this.channel.send(answer, undefined);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      this.channel.send([number, outcomes.error, packError(error)] satisfies Answer, undefined);
    }
  }
}
