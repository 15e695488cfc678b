/** What all contests of bridges have in common: a producer, a consumer, and how much goes from one to the other. */
import {
  type Coroutine,
  EndOfStream,
  type ObjectReceiveStream,
  type ObjectSendStream,
  type Operation,
  operation,
} from "anyloop";

/** How many items go over a bridge in a round. */
export const items = Number(process.argv[2] ?? 20_000);
/** What the peers' queues hold where one can say; ours hold as much. */
export const capacity = 16;

export interface Contest {
  readonly name: string;
  readonly peer: () => Promise<number>;
  readonly bridge: () => Promise<number>;
  /** The first item; the sum is checked. */
  readonly first?: number;
}

/** Sends the items and gives the sum that the other side is to see. */
export const produce: (stream: ObjectSendStream<number>) => Operation<void> = operation(function* produce(
  stream: ObjectSendStream<number>,
): Coroutine<void> {
  for (let item = 0; item < items; item++) yield* stream.send(item);
  yield* stream.close();
});

export const consume: (stream: ObjectReceiveStream<number>) => Operation<number> = operation(
  function* consume(stream: ObjectReceiveStream<number>): Coroutine<number> {
    let sum = 0;
    try {
      for (;;) sum += yield* stream.receive();
    } catch (error) {
      if (error instanceof EndOfStream) return sum;
      throw error;
    }
  },
);

/** So many items, and no end. */
export const consumeSome: (stream: ObjectReceiveStream<number>) => Operation<number> = operation(
  function* consumeSome(stream: ObjectReceiveStream<number>): Coroutine<number> {
    let sum = 0;
    for (let item = 0; item < items; item++) sum += yield* stream.receive();
    yield* stream.close();
    return sum;
  },
);

export async function join(producing: PromiseLike<unknown>, consuming: PromiseLike<number>): Promise<number> {
  const [sum] = await Promise.all([consuming, producing]);
  return sum;
}

export const emitAll = async (emit: (item: number) => void): Promise<void> => {
  for (let item = 0; item < items; item++) {
    emit(item);
    // Whoever emits has other things to do now and then.
    if (item % capacity === 0) await Promise.resolve();
  }
};

export async function readAll(source: AsyncIterable<number>): Promise<number> {
  let sum = 0;
  for await (const item of source) sum += item;
  return sum;
}
