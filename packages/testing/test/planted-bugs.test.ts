/** The suites find what they are for: something with a bug of each kind fails the rule that the bug breaks, and no good one. */
import {
  type ByteStream,
  type Coroutine,
  fromPromise,
  type Held,
  memoryStream,
  type MemoryReceiveStream,
  type ObjectReceiveStream,
  type Operation,
  operation,
  perform,
  WouldBlock,
} from "@anyloop/core";
import { checkpoint, ParkingLot, ReceiveStreamBase } from "@anyloop/core/lowlevel";
import {
  bridgeConformance,
  byteStreamConformance,
  type ConformanceCase,
  ConformanceError,
  type LockLike,
  lockConformance,
  lockstepByteStreamPair,
  objectStreamConformance,
} from "@anyloop/testing";
import { expect, test } from "vitest";
import { webInward, WebReceiveStream } from "./web-bridges.ts";

const virtual = { backends: ["virtual"] } as const;

/** The rules that are found broken, of those that the pattern names. */
async function brokenRules(cases: ConformanceCase[], pattern = /./): Promise<string[]> {
  const broken: string[] = [];
  for (const { name, perform, skipped } of cases) {
    if (skipped !== undefined || !pattern.test(name)) continue;
    try {
      await perform();
    } catch (error) {
      expect(error).toBeInstanceOf(ConformanceError);
      expect((error as Error).message).toContain(`Broken: ${(error as ConformanceError).rule}.`);
      broken.push((error as ConformanceError).rule);
    }
  }
  return broken;
}

/** Lets others have their turn between taking an item and giving it: cancelled there, it has lost the item. */
class LossyStream extends ReceiveStreamBase<number> {
  private readonly source: MemoryReceiveStream<number>;

  constructor(source: MemoryReceiveStream<number>) {
    super();
    this.source = source;
  }

  receive(): Operation<number> {
    return perform(this, this.doReceive);
  }

  close(): Operation<void> {
    return this.source.close();
  }

  private *doReceive(): Coroutine<number> {
    const item = yield* this.source.receive();
    yield* checkpoint();
    return item;
  }
}

test("a stream that loses an item when its receiver is cancelled after the hand-over", async () => {
  const pair = () => {
    const [send, receive] = memoryStream<number>(1);
    return [send, new LossyStream(receive) as ObjectReceiveStream<number>] as const;
  };
  expect(await brokenRules(objectStreamConformance(pair, virtual))).toContain(
    "an item handed over is not lost when its receiver is cancelled in the same turn",
  );
});

const forgetfulReceive = operation(function* (receive: ByteStream["receive"], maxBytes: number) {
  return (yield* receive()).subarray(0, maxBytes);
});

/** Gives what was asked for of a piece, and forgets the rest of it. */
function forgetful<S extends ByteStream>(stream: S): S {
  const receive = stream.receive.bind(stream);
  return Object.assign(stream, {
    receive: (maxBytes = 65_536) => forgetfulReceive(receive, maxBytes),
  });
}

test("a byte stream that forgets what did not fit, and takes any number", async () => {
  const pair = () => {
    const [left, right] = lockstepByteStreamPair();
    return [forgetful(left), forgetful(right)] as const;
  };
  const broken = await brokenRules(
    byteStreamConformance(pair, virtual),
    /^(receive gives|numbers of bytes|closing)/,
  );
  expect(broken).toEqual([
    "receive gives at least one byte and at most maxBytes; what is left comes next",
    "numbers of bytes that cannot be are refused",
  ]);
});

/** Free between a release and the one it wakes: whoever comes just then is first. */
class BargingLock implements LockLike {
  private isHeld = false;
  private readonly lot = new ParkingLot();

  acquire(): Operation<Held> {
    return perform(this, this.doAcquire);
  }

  acquireNowait(): Held {
    if (this.isHeld) throw new WouldBlock();
    return this.take();
  }

  private *doAcquire(): Coroutine<Held> {
    while (this.isHeld) yield* this.lot.park();
    yield* checkpoint();
    return this.take();
  }

  private take(): Held {
    this.isHeld = true;
    const release = (): void => {
      this.isHeld = false;
      this.lot.unpark();
    };
    return { release, [Symbol.dispose]: release };
  }
}

test("a lock that is unfair, and free for a moment", async () => {
  const broken = await brokenRules(lockConformance(() => new BargingLock(), virtual));
  expect(broken).toContain(
    "a lock is handed over on release, before anybody can barge in [trio lock_handover]",
  );
  expect(broken).toContain("a lock is held by one at a time");
  expect(broken).toContain("a guard may be released anywhere, and releasing it again does nothing");
});

/** Reads anew at each receive: what a cancelled one had asked for goes nowhere. */
class DroppingStream extends WebReceiveStream {
  protected override *read(): Coroutine<ReadableStreamReadResult<number>> {
    return yield* fromPromise(this.reader.read());
  }
}

test("a bridge that drops what arrives for a cancelled receive", async () => {
  const cases = bridgeConformance(
    { inward: (group) => webInward(group, DroppingStream) },
    { backends: ["kernel"] },
  );
  expect(await brokenRules(cases, /^(every foreign item|foreign items come)/)).toEqual([
    "every foreign item comes once and in order, whoever gives up waiting at whatever moment",
  ]);
});

/** Closes, and keeps its hold on the foreign side. */
class ClingingStream extends WebReceiveStream {
  override giveUp(reason: Error): void {
    const { reader } = this;
    const release = reader.releaseLock;
    reader.releaseLock = () => {};
    super.giveUp(reason);
    reader.releaseLock = release;
  }
}

test("a bridge that leaves something behind on the foreign side", async () => {
  const cases = bridgeConformance(
    { inward: (group) => webInward(group, ClingingStream) },
    { backends: ["kernel"] },
  );
  expect(await brokenRules(cases, /^(closing our end|foreign items come)/)).toEqual([
    "closing our end tells the foreign side, and takes everything of the bridge off it",
  ]);
});

test("a case that hangs is one that fails, and says so", async () => {
  const pair = () => {
    const [send, receive] = memoryStream<number>(1);
    return [
      send,
      Object.assign(receive, { receive: () => fromPromise(new Promise<number>(() => {})) }),
    ] as const;
  };
  const [first] = objectStreamConformance(pair, virtual);
  await expect(first?.perform()).rejects.toThrow("It had not ended after 4000 ms.");
});
