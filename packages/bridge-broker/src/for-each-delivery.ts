/**
 * The loop of a worker: the work, and then the acknowledgement.
 *
 * Invariant: a delivery is acknowledged only after the body has returned. If the body throws, or is cancelled, it is given
 * back at once; if this process dies, it is handed out again when its time is over. While the body runs it is not.
 */
import {
  type Body,
  CancelScope,
  type Coroutine,
  forEach,
  type Handler,
  isCancelled,
  type Operation,
  operation,
  type Receiver,
  shield,
  type TaskGroup,
  taskGroup,
} from "@anyloop/core";
import { type Delivery, longestFarewell } from "./work-queue.ts";

type AnyBody = (value: never, delivery: never) => ReturnType<Handler>;
type OnError = Handler<[error: unknown, delivery: Delivery<never>]>;

function* performKept(group: TaskGroup, delivery: Delivery<unknown>, body: AnyBody): Coroutine<void> {
  group.startSoon(delivery.keep(), { daemon: true });
  yield* new CancelScope().run(() => body(delivery.value as never, delivery as never));
}

/**
 * Gives it back, unless the broker is away. That this failed too says less than why it is given back, and time will do the
 * same.
 */
const giveBack = operation(function* giveBack(delivery: Delivery<unknown>): Coroutine<void> {
  try {
    yield* new CancelScope({ shield: true, timeout: longestFarewell }).run(delivery.nak());
  } catch (error) {
    if (isCancelled(error)) throw error;
  }
});

const performOne = operation(function* forEachDelivery(
  delivery: Delivery<unknown>,
  body: AnyBody,
  onError: OnError | undefined,
): Coroutine<void> {
  try {
    yield* taskGroup((group) => performKept(group, delivery, body));
  } catch (error) {
    yield* giveBack(delivery);
    if (onError === undefined || isCancelled(error)) throw error;
    yield* new CancelScope().run(() => onError(error, delivery as never));
    return;
  }
  // The work is done, and what is done must be said: a cancellation can wait.
  yield* shield(delivery.ack());
});

export interface ForEachDeliveryOptions<T> {
  /** Told what the body threw, after the delivery was given back; then the next one is received. */
  readonly onError?: Handler<[error: unknown, delivery: Delivery<T>]> | undefined;
}

/**
 * Performs the body for each value that is received, one after the other, until the stream ends or this is cancelled.
 * Acknowledges what the body has returned from, gives back what it has not.
 *
 * ```ts
 * import { forEachDelivery, memoryWorkQueue } from "@anyloop/bridge-broker";
 * import { moveOnAfter, run, use } from "anyloop";
 *
 * const jobs = memoryWorkQueue<string>();
 * await run(use(jobs.openSender(), (sender) => sender.send("sweep")));
 * await moveOnAfter(10, use(jobs.openReceiver(), (receiver) =>
 *   forEachDelivery(receiver, function* (job, { deliveries }) {
 *     console.log(job, deliveries); // sweep 1
 *   }),
 * ));
 * ```
 *
 * @throws what the body throws, unless there is an `onError`; what receiving and acknowledging throw.
 */
export function forEachDelivery<T>(
  receiver: Receiver<Delivery<T>>,
  body: Body<unknown, [value: T, delivery: Delivery<T>]>,
  { onError }: ForEachDeliveryOptions<T> = {},
): Operation<void> {
  return forEach(receiver, (delivery) =>
    performOne(delivery, body as AnyBody, onError as OnError | undefined),
  );
}
