/**
 * A byte stream of ours as a `Duplex` of the runtime's: how a server speaks over what is no socket.
 *
 * Invariant: both directions have backpressure, an end stays an end and an error an error; once the duplex is destroyed
 * the tasks that carry its bytes end, and whoever runs them closes the stream.
 */
import { Duplex } from "node:stream";
import {
  type ByteStream,
  type Coroutine,
  EndOfStream,
  Event,
  isCancelled,
  type Operation,
  perform,
  Queue,
  type TaskGroup,
  taskGroup,
} from "@anyloop/core";
import { type AbortFn, suspend, suspendOnHost, type Waiter } from "@anyloop/core/lowlevel";

/**
 * Waiting for something that happens on a connection. For a socket the host owes us a wake-up, and a virtual clock stands
 * still until it comes; a stream of ours is moved by tasks, which may wait for that very clock.
 */
export function suspendOn<T>(connection: Duplex, start: (waiter: Waiter<T>) => AbortFn): Operation<T> {
  return connection instanceof ByteStreamDuplex ? suspend(start) : suspendOnHost(start);
}

type Done = (error?: Error | null) => void;

/** Something to be sent, or the end. */
interface Sending {
  readonly data: Uint8Array | undefined;
  readonly done: Done;
}

export class ByteStreamDuplex extends Duplex {
  private readonly stream: ByteStream;
  private readonly outgoing = new Queue<Sending>();
  private readonly destroyedNow = new Event();
  private wanted = new Event();

  constructor(stream: ByteStream) {
    super({ allowHalfOpen: true });
    this.stream = stream;
  }

  /** Carries the bytes until the duplex is destroyed. */
  carry(): Operation<void> {
    return taskGroup((group) => perform(this, this.doCarry, group));
  }

  override _read(): void {
    this.wanted.set();
  }

  override _write(data: Uint8Array, _encoding: BufferEncoding, done: Done): void {
    this.outgoing.putNowait({ data, done });
  }

  override _final(done: Done): void {
    this.outgoing.putNowait({ data: undefined, done });
  }

  override _destroy(error: Error | null, done: Done): void {
    this.destroyedNow.set();
    done(error);
  }

  private *doCarry(group: TaskGroup): Coroutine<void> {
    group.startSoon(perform(this, this.carryIn));
    group.startSoon(perform(this, this.carryOut));
    try {
      yield* this.destroyedNow.wait();
    } finally {
      this.destroy();
    }
    group.cancel("the stream was destroyed");
  }

  private *carryIn(): Coroutine<void> {
    for (;;) {
      yield* this.wanted.wait();
      this.wanted = new Event();
      try {
        // What is pushed asks for more by itself, unless it is enough for now.
        this.push(Buffer.from(yield* this.stream.receive()));
      } catch (error) {
        if (isCancelled(error)) throw error;
        if (error instanceof EndOfStream) this.push(null);
        else this.destroy(error as Error);
        return;
      }
    }
  }

  private *carryOut(): Coroutine<void> {
    for (;;) {
      const { data, done } = yield* this.outgoing.get();
      try {
        yield* data === undefined ? this.stream.sendEof() : this.stream.send(data);
        done();
      } catch (error) {
        if (isCancelled(error)) throw error;
        done(error as Error);
        return;
      }
      if (data === undefined) return;
    }
  }
}
