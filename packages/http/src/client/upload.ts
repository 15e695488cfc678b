/**
 * From a stream of ours, read by a task, to a transport that pulls promises.
 *
 * Invariant: one piece is under way at a time, so the source is read no faster than the server takes it.
 */
import { type Coroutine, EndOfStream, type Operation, operation } from "@anyloop/core";
import { suspendOnHost } from "@anyloop/core/lowlevel";
import type { BodyStream } from "./body.ts";

type Result = IteratorResult<Uint8Array, undefined>;

export class Upload implements AsyncIterableIterator<Uint8Array> {
  private pull: { resolve(result: Result): void; reject(error: unknown): void } | undefined = undefined;
  /** Calls the task back that waits to be asked for more. */
  private asked: (() => void) | undefined = undefined;
  private end: { readonly error: unknown } | undefined = undefined;
  /** The transport wants no more. */
  isStopped = false;

  next(): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.end === undefined) {
        this.pull = { resolve, reject };
        this.tellAsked();
      } else if (this.end.error === undefined) {
        resolve({ done: true, value: undefined });
      } else {
        reject(this.end.error);
      }
    });
  }

  return(): Promise<Result> {
    this.isStopped = true;
    this.tellAsked();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Waits until the transport asks for a piece, or wants no more. */
  wanted(): Operation<void> {
    return suspendOnHost((waiter) => {
      if (this.pull !== undefined || this.isStopped) {
        waiter.resume();
        return undefined;
      }
      this.asked = () => waiter.resume();
      return () => {
        this.asked = undefined;
        return true;
      };
    });
  }

  give(piece: Uint8Array): void {
    const { pull } = this;
    this.pull = undefined;
    pull?.resolve({ done: false, value: piece });
  }

  finish(error?: unknown): void {
    this.end ??= { error };
    const { pull } = this;
    this.pull = undefined;
    if (error === undefined) pull?.resolve({ done: true, value: undefined });
    else pull?.reject(error);
  }

  private tellAsked(): void {
    const { asked } = this;
    this.asked = undefined;
    asked?.();
  }
}

/** Sends what the source gives, until its end. */
export const pump: (source: BodyStream, upload: Upload) => Operation<void> = operation(function* upload(
  source: BodyStream,
  upload: Upload,
): Coroutine<void> {
  // A transport that is still waiting would wait for ever if this were cancelled.
  let error: unknown = new Error("The task that read the body was cancelled.");
  try {
    for (;;) {
      yield* upload.wanted();
      if (upload.isStopped) break;
      upload.give(yield* source.receive());
    }
    error = undefined;
  } catch (thrown) {
    error = thrown instanceof EndOfStream ? undefined : thrown;
    if (error !== undefined) throw thrown;
  } finally {
    upload.finish(error);
  }
});
