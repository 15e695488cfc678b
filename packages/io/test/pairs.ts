/** Two connected streams of each kind. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  all,
  type ByteStream,
  type Coroutine,
  fromPromise,
  type MemoryReceiveStream,
  type MemorySendStream,
  memoryStream,
  type Operation,
  operation,
  perform,
  sleepForever,
  stapled,
  type TaskGroup,
  use,
  UsageError,
} from "@anyloop/core";
import {
  connectTcp,
  connectUnix,
  listenTcp,
  listenUnix,
  openProcess,
  type Process,
  TlsStream,
} from "@anyloop/io";
import { authority, certificate, key } from "../../../tools/test-support/certificates.ts";

export type Pair = readonly [near: ByteStream, far: ByteStream];

export const tcpPair: () => Operation<Pair> = operation(function* tcpPair(): Coroutine<Pair> {
  const listener = yield* listenTcp(0, { host: "127.0.0.1" });
  const port = listener.addresses[0]?.port ?? 0;
  const pair = yield* all([connectTcp("127.0.0.1", port), listener.accept()]);
  yield* listener.close();
  return pair;
});

export const unixPair: () => Operation<Pair> = operation(function* unixPair(): Coroutine<Pair> {
  const directory = yield* fromPromise(mkdtemp(join(tmpdir(), "anyloop-")));
  const path = join(directory, "socket");
  const listener = yield* listenUnix(path);
  const pair = yield* all([connectUnix(path), listener.accept()]);
  yield* listener.close();
  yield* fromPromise(rm(directory, { recursive: true }));
  return pair;
});

const keep = operation(function* keep(child: Process): Coroutine<void> {
  yield* use(child, sleepForever);
});

/** Two processes that pass on what they are given, one for each direction. They end with the group. */
export const pipePair: (group: TaskGroup) => Operation<Pair> = operation(function* pipePair(
  group: TaskGroup,
): Coroutine<Pair> {
  const there = yield* openProcess(["cat"]);
  group.startSoon(keep(there));
  const back = yield* openProcess(["cat"]);
  group.startSoon(keep(back));
  return [stapled(there.stdin, back.stdout), stapled(back.stdin, there.stdout)];
});

/** One end of a pair in memory: a proxy, a tunnel, whatever is no socket. */
class MemoryBytes implements ByteStream {
  private readonly sending: MemorySendStream<Uint8Array>;
  private readonly receiving: MemoryReceiveStream<Uint8Array>;
  private rest: Uint8Array | undefined = undefined;

  constructor(sending: MemorySendStream<Uint8Array>, receiving: MemoryReceiveStream<Uint8Array>) {
    this.sending = sending;
    this.receiving = receiving;
  }

  receive(maxBytes = 65_536): Operation<Uint8Array> {
    return perform(this, this.doReceive, maxBytes);
  }

  send(data: Uint8Array): Operation<void> {
    return this.sending.send(data.slice());
  }

  sendEof(): Operation<void> {
    return this.sending.close();
  }

  close(): Operation<void> {
    return perform(this, this.doClose);
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }

  private *doReceive(maxBytes: number): Coroutine<Uint8Array> {
    if (maxBytes < 1) throw new UsageError("maxBytes");
    const bytes = this.rest ?? (yield* this.receiving.receive());
    this.rest = bytes.length > maxBytes ? bytes.subarray(maxBytes) : undefined;
    return bytes.subarray(0, maxBytes);
  }

  private *doClose(): Coroutine<void> {
    try {
      yield* this.sending.close();
    } finally {
      yield* this.receiving.close();
    }
  }
}

export function memoryPair(): Pair {
  const [nearSend, farReceive] = memoryStream<Uint8Array>(8);
  const [farSend, nearReceive] = memoryStream<Uint8Array>(8);
  return [new MemoryBytes(nearSend, nearReceive), new MemoryBytes(farSend, farReceive)];
}

const shakeHands = operation(function* shakeHands([near, far]: Pair): Coroutine<Pair> {
  return yield* all([
    TlsStream.wrap(near, { hostname: "localhost", ca: authority }),
    TlsStream.wrap(far, { serverSide: true, key, cert: certificate }),
  ]);
});

export const tlsPair: () => Operation<Pair> = operation(function* tlsPair(): Coroutine<Pair> {
  return yield* shakeHands(yield* tcpPair());
});

export const tlsInMemoryPair: () => Operation<Pair> = () => shakeHands(memoryPair());

/** TLS through TLS, as through a proxy. */
export const tlsInTlsPair: () => Operation<Pair> = operation(function* tlsInTlsPair(): Coroutine<Pair> {
  return yield* shakeHands(yield* tlsPair());
});
