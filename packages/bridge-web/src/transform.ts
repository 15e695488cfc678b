/** Transform streams: theirs for us, and ours for them. */
import { type BridgeReceiveStream, type BridgeSendStream, reasonOf } from "@anyloop/bridge";
import { CancelScope, type Coroutine, type Handler, operation, shield, type TaskGroup } from "@anyloop/core";
import { fromReadable } from "./from-readable.ts";
import { readableStream, writableStream } from "./stream-pairs.ts";
import { toWritable } from "./to-writable.ts";

/** A transform stream as two ends of ours: what is sent into the first comes out of the second, transformed. */
export function fromTransform<I, O>(
  transform: ReadableWritablePair<O, I>,
): [send: BridgeSendStream<I>, receive: BridgeReceiveStream<O>] {
  return [toWritable(transform.writable), fromReadable(transform.readable)];
}

type Transform = Handler<[receive: BridgeReceiveStream<never>, send: BridgeSendStream<unknown>]>;

const transformWith = operation(function* transform(
  body: Transform,
  receive: BridgeReceiveStream<never>,
  send: BridgeSendStream<unknown>,
): Coroutine<void> {
  try {
    yield* new CancelScope().run(() => body(receive, send));
  } catch (error) {
    // Both foreign sides are told what went wrong; the group is as well.
    const reason = reasonOf(error);
    receive.abandon(reason);
    send.fail(reason);
    throw error;
  } finally {
    yield* shield(send.close());
    yield* shield(receive.close());
  }
});

/**
 * A web transform stream whose work is a body of ours, a task of the group.
 *
 * ```ts
 * import { forEach, run, taskGroup } from "anyloop";
 * import { toTransform } from "@anyloop/bridge-web";
 *
 * await run(
 *   taskGroup(function* (group) {
 *     const shout = toTransform<string, string>(group, function* (receive, send) {
 *       yield* forEach(receive, (text) => send.send(text.toUpperCase()));
 *     });
 *     const source = new Response("hello").body as ReadableStream<Uint8Array>;
 *     void source
 *       .pipeThrough(new TextDecoderStream())
 *       .pipeThrough(shout)
 *       .pipeTo(new WritableStream({ write: (text) => console.log(text) })); // HELLO
 *   }),
 * );
 * ```
 */
export function toTransform<I, O>(
  group: TaskGroup,
  body: Handler<[receive: BridgeReceiveStream<I>, send: BridgeSendStream<O>]>,
): ReadableWritablePair<O, I> {
  const [writable, receive] = writableStream<I>();
  const [send, readable] = readableStream<O>();
  group.startSoon(
    transformWith(
      body as Transform,
      receive as BridgeReceiveStream<never>,
      send as BridgeSendStream<unknown>,
    ),
  );
  return { readable, writable };
}
