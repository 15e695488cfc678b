/** The rules of byte streams, one by one. None counts on how many bytes come at once or how many the carrier holds. */
import {
  BrokenResourceError,
  BusyResourceError,
  type ByteStream,
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  moveOnAfter,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { checkpoint } from "@anyloop/core/lowlevel";
import { waitAllTasksBlocked } from "../wait-all-tasks-blocked.ts";
import { bytesFrom, checkBytes, mebibyte } from "./byte-pattern.ts";
import {
  closeAnyway,
  closeCancelled,
  check,
  checkError,
  checkSame,
  checkThrows,
  checkThrowsNow,
  startWaiting,
  thrownBy,
} from "./check.ts";

/** Two ends of one connection: what is sent into either comes out of the other. */
export type BytePair = readonly [left: ByteStream, right: ByteStream];

export interface PairRule {
  readonly rule: string;
  readonly isLong?: boolean;
  body(pair: BytePair): Coroutine<void>;
}

const pieceLength = 65_536;
/** Pieces that are more than any carrier holds that holds a bounded number: the buffers of sockets grow to some MiB. */
const manyPieces = 512;

/** Receives the bytes from one place to another, and checks them. */
function* receiveBytes(
  stream: ByteStream,
  start: number,
  end: number,
  maxBytes = pieceLength,
): Coroutine<void> {
  for (let at = start; at < end;) {
    const piece = yield* stream.receive(Math.min(maxBytes, end - at));
    checkBytes(piece, at);
    at += piece.length;
  }
}

/** Sends for as long as the other end can be expected to hold it back. */
function* sendALot(stream: ByteStream, onSent: (piece: number) => void = () => {}): Coroutine<void> {
  const piece = new Uint8Array(pieceLength);
  for (let index = 0; index < manyPieces; index++) {
    yield* stream.send(piece);
    onSent(index);
  }
}

/** Fails unless sending breaks, at once or after what the carrier still takes, and stays broken. */
function* checkBroken(stream: ByteStream): Coroutine<void> {
  const sending = function* (): Coroutine<void> {
    for (let index = 0; index < manyPieces; index++) {
      yield* stream.send(Uint8Array.of(1));
      yield* waitAllTasksBlocked();
    }
  };
  yield* checkThrows(new CancelScope().run(sending), BrokenResourceError, "Sending to a closed end");
  yield* checkThrows(stream.send(Uint8Array.of(1)), BrokenResourceError, "Sending once more");
}

export const dataRules: readonly PairRule[] = [
  {
    rule: "bytes come as they were sent",
    *body([left, right]) {
      yield* taskGroup(function* (group) {
        group.startSoon(function* () {
          yield* left.send(bytesFrom(0, 5));
          yield* left.send(bytesFrom(5, 3));
        });
        yield* receiveBytes(right, 0, 8);
      });
    },
  },
  {
    rule: "receive gives at least one byte and at most maxBytes; what is left comes next",
    *body([left, right]) {
      yield* taskGroup(function* (group) {
        group.startSoon(left.send(bytesFrom(0, 10)));
        for (let at = 0; at < 10;) {
          const piece = yield* right.receive(3);
          check(piece.length > 0 && piece.length <= 3, `receive(3) gave ${String(piece.length)} bytes.`);
          checkBytes(piece, at);
          at += piece.length;
        }
      });
    },
  },
  {
    rule: "numbers of bytes that cannot be are refused",
    *body([, right]) {
      for (const maxBytes of [0, -1, 1.5, Number.NaN]) {
        checkThrowsNow(() => right.receive(maxBytes), UsageError, `receive(${String(maxBytes)})`);
      }
      yield* checkpoint();
    },
  },
  {
    rule: "sending no bytes is fine, and nothing comes of it",
    *body([left, right]) {
      yield* taskGroup(function* (group) {
        group.startSoon(function* () {
          yield* left.send(new Uint8Array(0));
          yield* left.send(bytesFrom(0, 1));
        });
        checkSame([...(yield* right.receive())], [...bytesFrom(0, 1)], "The first bytes received");
      });
    },
  },
  {
    rule: "what was sent is not changed by what the sender does with its bytes afterwards",
    *body([left, right]) {
      const data = bytesFrom(0, 4);
      yield* taskGroup(function* (group) {
        group.startSoon(function* () {
          yield* left.send(data);
          data.fill(0);
        });
        yield* waitAllTasksBlocked();
        yield* receiveBytes(right, 0, 4);
      });
    },
  },
  {
    rule: "a cancelled receive takes nothing",
    *body([left, right]) {
      yield* taskGroup(function* (group) {
        const receiver = yield* startWaiting(group, right.receive());
        receiver.cancel();
        yield* receiver.wait();
        group.startSoon(left.send(bytesFrom(0, 100)));
        yield* moveOnAfter(0, right.receive());
        yield* receiveBytes(right, 0, 100);
      });
    },
  },
  {
    rule: "every byte comes once and in order, whoever gives up waiting for it at whatever moment",
    *body([left, right]) {
      const got: number[] = [];
      yield* taskGroup(function* (group) {
        group.startSoon(function* () {
          for (let at = 0; at < 200; at += 10) {
            yield* left.send(bytesFrom(at, 10));
            yield* checkpoint();
          }
        });
        for (let turn = 0; got.length < 200; turn++) {
          const piece = yield* moveOnAfter((turn % 3) / 2, right.receive(7));
          if (piece === undefined) yield* checkpoint();
          else got.push(...piece);
        }
      });
      checkSame(got, [...bytesFrom(0, 200)], "What was received");
    },
  },
  {
    rule: "two receives at once are Busy, and the first is not disturbed",
    *body([left, right]) {
      yield* taskGroup(function* (group) {
        const first = yield* startWaiting(group, right.receive());
        yield* checkThrows(right.receive(), BusyResourceError, "The second receive");
        yield* left.send(bytesFrom(0, 1));
        checkSame([...(yield* first.join())], [...bytesFrom(0, 1)], "What the first received");
      });
    },
  },
  {
    rule: "both directions at once, a mebibyte each, in pieces of all sizes",
    isLong: true,
    *body([left, right]) {
      const sendAll = function* (stream: ByteStream): Coroutine<void> {
        for (let at = 0, turn = 1; at < mebibyte; turn++) {
          const length = Math.min(mebibyte - at, (turn * 7919) % 30_000);
          yield* stream.send(bytesFrom(at, length));
          at += length;
        }
      };
      const receiveAll = function* (stream: ByteStream): Coroutine<void> {
        for (let at = 0, turn = 1; at < mebibyte; turn++) {
          const piece = yield* stream.receive(1 + ((turn * 104_729) % 50_000));
          checkBytes(piece, at);
          at += piece.length;
        }
      };
      yield* taskGroup((group) => {
        for (const stream of [left, right]) {
          group.startSoon(() => sendAll(stream));
          group.startSoon(() => receiveAll(stream));
        }
      });
    },
  },
];

export const closeRules: readonly PairRule[] = [
  {
    rule: "what was sent before a close can be read, and then the end, again and again",
    *body([left, right]) {
      yield* taskGroup(function* (group) {
        group.startSoon(function* () {
          yield* left.send(bytesFrom(0, 6));
          yield* left.close();
        });
        yield* receiveBytes(right, 0, 6);
        for (let time = 0; time < 2; time++)
          yield* checkThrows(right.receive(), EndOfStream, "receive() at the end");
      });
    },
  },
  {
    rule: "sending to an end that was closed is broken and stays so",
    *body([left, right]) {
      yield* right.close();
      yield* checkBroken(left);
    },
  },
  {
    rule: "after its own close an end is closed for everything, also if data is left",
    *body([left, right]) {
      yield* taskGroup(function* (group) {
        const sender = group.startSoon(function* () {
          try {
            yield* left.send(bytesFrom(0, 9));
          } catch (error) {
            // A carrier that did not hold all of it is broken by the close.
            if (!(error instanceof BrokenResourceError)) throw error;
          }
        });
        yield* right.receive(1);
        yield* right.close();
        yield* checkThrows(right.receive(), ClosedResourceError, "receive() after close()");
        yield* checkThrows(right.send(Uint8Array.of(1)), ClosedResourceError, "send() after close()");
        sender.cancel();
      });
    },
  },
  {
    rule: "closing twice is fine",
    *body([left, right]) {
      for (let time = 0; time < 2; time++) {
        yield* left.close();
        yield* right.close();
      }
    },
  },
  {
    rule: "closing wakes the receive that waits on this very end",
    *body([, right]) {
      yield* taskGroup(function* (group) {
        yield* startWaiting(
          group,
          checkThrows(right.receive(), ClosedResourceError, "The receive that waits"),
        );
        yield* right.close();
      });
    },
  },
  {
    rule: "the other end closes while a receive waits: the end of the stream",
    *body([left, right]) {
      yield* taskGroup(function* (group) {
        yield* startWaiting(group, checkThrows(right.receive(), EndOfStream, "The receive that waits"));
        yield* left.close();
      });
    },
  },
  {
    rule: "a cancelled close closes, and then the cancellation is thrown",
    *body([left, right]) {
      yield* closeCancelled(left);
      yield* checkThrows(left.receive(), ClosedResourceError, "receive() after a cancelled close()");
      const told = yield* thrownBy(right.receive(), "receive() at the other end");
      // Without the last word of its protocol an end may look like a cut.
      if (!(told instanceof BrokenResourceError)) checkError(told, EndOfStream, "receive() at the other end");
    },
  },
];

export const eofRules: readonly PairRule[] = [
  {
    rule: "after sendEof the other end reads what was sent and the end, and can still answer [anyio send_eof]",
    *body([left, right]) {
      yield* taskGroup(function* (group) {
        group.startSoon(function* () {
          yield* left.send(bytesFrom(0, 3));
          yield* left.sendEof();
        });
        yield* receiveBytes(right, 0, 3);
        yield* checkThrows(right.receive(), EndOfStream, "receive() after sendEof()");
        group.startSoon(right.send(bytesFrom(7, 2)));
        yield* receiveBytes(left, 7, 9);
      });
    },
  },
  {
    rule: "the end is told also if it has come, with the last bytes, before anybody receives",
    isLong: true,
    *body([left, right]) {
      yield* taskGroup(function* (group) {
        group.startSoon(function* () {
          yield* left.send(bytesFrom(0, 3));
          yield* left.sendEof();
        });
        // Time for the carrier.
        yield* waitAllTasksBlocked(10);
        yield* receiveBytes(right, 0, 3);
        yield* checkThrows(right.receive(), EndOfStream, "receive() after sendEof()");
      });
    },
  },
  {
    rule: "after sendEof nothing can be sent; sendEof again is fine",
    *body([left]) {
      yield* left.sendEof();
      yield* checkThrows(left.send(Uint8Array.of(1)), ClosedResourceError, "send() after sendEof()");
      yield* left.sendEof();
    },
  },
];

export const boundedRules: readonly PairRule[] = [
  {
    rule: "a sender waits when nobody receives, and goes on when somebody does",
    *body([left, right]) {
      const sent: number[] = [];
      yield* taskGroup(function* (group) {
        const sender = yield* startWaiting(group, () => sendALot(left, (piece) => void sent.push(piece)));
        check(
          sender.status === "running",
          `${String(sent.length)} pieces were sent though nobody received any.`,
        );
        const before = sent.length;
        while (sent.length === before) yield* right.receive();
        sender.cancel();
      });
    },
  },
  {
    rule: "two sends at once are Busy",
    *body([left]) {
      yield* taskGroup(function* (group) {
        const sender = yield* startWaiting(group, () => sendALot(left));
        yield* checkThrows(left.send(Uint8Array.of(1)), BusyResourceError, "The second send");
        sender.cancel();
      });
    },
  },
  {
    rule: "closing wakes the send that waits on this very end",
    *body([left, right]) {
      yield* taskGroup(function* (group) {
        const sending = new CancelScope().run(() => sendALot(left));
        const waiting = checkThrows(sending, ClosedResourceError, "The send that waits");
        const sender = yield* startWaiting(group, waiting);
        // The close itself may wait until the other side has taken what was sent, or is gone.
        group.startSoon(() => closeAnyway(left));
        yield* sender.wait();
        yield* right.close();
      });
    },
  },
  {
    rule: "the other end closes while a send waits: broken",
    *body([left, right]) {
      yield* taskGroup(function* (group) {
        const sending = new CancelScope().run(() => sendALot(left));
        yield* startWaiting(group, checkThrows(sending, BrokenResourceError, "The send that waits"));
        yield* right.close();
      });
    },
  },
];
