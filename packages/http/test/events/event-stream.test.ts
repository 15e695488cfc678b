/** Events over connections that come and go, in virtual time. */
import {
  BrokenResourceError,
  BusyResourceError,
  type ByteReceiveStream,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  forEach,
  moveOnAfter,
  now,
  type Operation,
  operation,
  sleep,
  sleepForever,
  taskGroup,
  UsageError,
} from "@anyloop/core";
import { encodeEvent, type EventResponse, EventStream, type EventStreamOptions } from "@anyloop/http/client";
import { everyBackend, memoryByteStreamPair } from "@anyloop/testing";
import { expect, test } from "vitest";

/** Bodies that were not closed. */
const bodies: Set<ByteReceiveStream> = new Set();

function each(name: string, body: () => Coroutine<unknown>): void {
  for (const { name: title, perform } of everyBackend(name, body, { virtualOnly: true, seeds: 5 })) {
    test(title, async () => {
      bodies.clear();
      await perform();
      expect(bodies.size).toBe(0);
    });
  }
}

interface Answer {
  readonly status?: number;
  readonly contentType?: string;
  readonly text?: string;
  /** It goes on, and nothing comes. */
  readonly isOpen?: boolean;
  readonly error?: Error;
  /** Milliseconds until the answer. */
  readonly after?: number;
}

const respond = operation(function* respond(answer: Answer): Coroutine<EventResponse> {
  const {
    status = 200,
    contentType = "text/event-stream",
    text = "",
    isOpen = false,
    error,
    after = 0,
  } = answer;
  if (after > 0) yield* sleep(after);
  if (error !== undefined) throw error;
  const [far, near] = memoryByteStreamPair({}, { onClose: () => void bodies.delete(near) });
  bodies.add(near);
  try {
    if (text !== "") yield* far.send(new TextEncoder().encode(text));
    if (!isOpen) yield* far.close();
  } catch (cancelled) {
    bodies.delete(near);
    throw cancelled;
  }
  return { status, headers: new Headers({ "content-type": contentType }), stream: near };
});

interface Attempt {
  readonly at: number;
  readonly lastEventId: string;
}

/** A stream that gets these answers one after the other, and then 204. */
function streamOf(answers: readonly Answer[], options?: EventStreamOptions) {
  const attempts: Attempt[] = [];
  const stream = new EventStream((lastEventId) => {
    attempts.push({ at: now(), lastEventId });
    return respond(answers[attempts.length - 1] ?? { status: 204 });
  }, options);
  /** How long after the first attempt each was made. */
  const delays = (): number[] => attempts.map(({ at }) => at - (attempts[0]?.at ?? 0));
  return { stream, attempts, delays };
}

const caught: (work: Operation<unknown>) => Operation<unknown> = operation(function* caught(
  work: Operation<unknown>,
): Coroutine<unknown> {
  try {
    yield* work;
  } catch (error) {
    return error;
  }
  throw new Error("Nothing was thrown.");
});

const dataOf = operation(function* dataOf(stream: EventStream): Coroutine<string[]> {
  const data: string[] = [];
  for (;;) {
    const { done, value } = yield* stream.next();
    if (done === true) return data;
    data.push(value.data);
  }
});

each("connects again where it was, and ends at 204", function* () {
  const { stream, attempts, delays } = streamOf([
    { text: "id: 1\ndata: a\n\ndata: b\n\nid: 2\ndata: cut off" },
    { text: "id: 3\ndata: c\n\n" },
  ]);
  expect(yield* dataOf(stream)).toEqual(["a", "b", "c"]);
  expect(attempts.map(({ lastEventId }) => lastEventId)).toEqual(["", "1", "3"]);
  expect(delays()).toEqual([0, 3000, 6000]);
  expect(yield* caught(stream.receive())).toBeInstanceOf(EndOfStream);
  expect(attempts.length).toBe(3);
  yield* stream.close();
});

each("waits as long as the server says, twice as long after each failure, a minute at most", function* () {
  const down = { error: new Error("down") };
  const { stream, delays } = streamOf([
    { text: "retry: 10000\ndata: a\n\n" },
    down,
    { status: 503 },
    { status: 429 },
    down,
    { text: "data: b\n\n" },
  ]);
  expect(yield* dataOf(stream)).toEqual(["a", "b"]);
  expect(delays()).toEqual([0, 10_000, 30_000, 70_000, 130_000, 190_000, 200_000]);
  yield* stream.close();
});

each("a server that asks for more than a minute gets it", function* () {
  const { stream, delays } = streamOf([{ text: "retry: 100000\n\n" }, { error: new Error("down") }]);
  expect(yield* dataOf(stream)).toEqual([]);
  expect(delays()).toEqual([0, 100_000, 200_000]);
  yield* stream.close();
});

each("what fails the first time is thrown, and can be tried again", function* () {
  const { stream, attempts } = streamOf([{ error: new RangeError("no such host") }, { text: "data: a\n\n" }]);
  expect(yield* caught(stream.receive())).toBeInstanceOf(RangeError);
  expect((yield* stream.receive()).data).toBe("a");
  expect(attempts.length).toBe(2);
  yield* stream.close();
});

for (const [what, answer] of [
  ["status 404", { status: 404 }],
  ["content type text/html", { contentType: "text/html" }],
  ["content type text/event-streams", { contentType: "text/event-streams" }],
  ["status 500", { status: 500 }],
] as const) {
  each(`an answer with ${what} breaks the stream for good`, function* () {
    const { stream, attempts } = streamOf([{ ...answer, text: "data: a\n\n", isOpen: true }]);
    const error = (yield* caught(stream.receive())) as BrokenResourceError;
    expect(error).toBeInstanceOf(BrokenResourceError);
    expect(error.message).toContain(what);
    expect(yield* caught(stream.receive())).toBeInstanceOf(BrokenResourceError);
    expect([attempts.length, bodies.size]).toEqual([1, 0]);
  });
}

each("parameters of the content type do not matter", function* () {
  const { stream } = streamOf([{ contentType: "Text/Event-Stream ; charset=utf-8", text: "data: a\n\n" }]);
  expect((yield* stream.receive()).data).toBe("a");
  yield* stream.close();
});

each("an event that is too long breaks the stream, after those before it", function* () {
  const text = `data: a\n\ndata: ${"x".repeat(100)}`;
  const { stream, attempts } = streamOf([{ text, isOpen: true }], { maxEventLength: 50 });
  expect((yield* stream.receive()).data).toBe("a");
  expect(yield* caught(stream.receive())).toBeInstanceOf(BrokenResourceError);
  expect([attempts.length, bodies.size]).toEqual([1, 0]);
});

each("goes on from an earlier stream", function* () {
  const { stream, attempts } = streamOf([{ text: "data: a\n\n" }], { lastEventId: "41" });
  expect(yield* stream.receive()).toEqual({ data: "a", event: "message", id: "41" });
  expect(attempts[0]?.lastEventId).toBe("41");
  expect(stream.lastEventId).toBe("41");
  yield* stream.close();
});

each("receive: cancelled at any moment, no event is lost and none comes twice", function* () {
  const eventText = (id: number): string =>
    new TextDecoder().decode(encodeEvent({ data: `<${String(id)}>`, id: String(id) }));
  const stream = new EventStream(
    (lastEventId) => {
      const next = Number(lastEventId) + 1;
      return respond(next > 6 ? { status: 204 } : { text: eventText(next) + eventText(next + 1), after: 7 });
    },
    { retry: 5 },
  );
  const data: string[] = [];
  for (let turn = 0; ; turn++) {
    const next = yield* moveOnAfter(turn % 11, stream.next());
    if (next === undefined) continue;
    if (next.done === true) break;
    data.push(next.value.data);
  }
  expect(data).toEqual(["<1>", "<2>", "<3>", "<4>", "<5>", "<6>"]);
});

for (const [when, answers] of [
  ["the connection", [{ after: 1000 }]],
  ["an event", [{ isOpen: true }]],
  ["the time to connect again", [{ text: "data: a\n\n" }]],
] as const) {
  each(`closing wakes who waits for ${when}`, function* () {
    const { stream } = streamOf(answers);
    yield* taskGroup(function* (group) {
      const receiving = group.startSoon(() => caught(forEach(stream, () => {})));
      yield* sleep(500);
      expect(yield* caught(stream.receive())).toBeInstanceOf(BusyResourceError);
      yield* stream.close();
      expect(yield* receiving.join()).toBeInstanceOf(ClosedResourceError);
    });
    expect(yield* caught(stream.receive())).toBeInstanceOf(ClosedResourceError);
    yield* stream.close();
  });
}

each("closing while the answer is handed over closes it as well", function* () {
  const { stream } = streamOf([{ isOpen: true, after: 10 }]);
  yield* taskGroup(function* (group) {
    const receiving = group.startSoon(() => caught(stream.receive()));
    yield* sleep(10);
    yield* stream.close();
    expect(yield* receiving.join()).toBeInstanceOf(ClosedResourceError);
  });
});

each("a cancelled close closes", function* () {
  const { stream } = streamOf([{ text: "data: a\n\n", isOpen: true }]);
  yield* stream.receive();
  yield* moveOnAfter(0, function* () {
    try {
      yield* sleepForever();
    } finally {
      yield* stream.close();
    }
  });
  expect(bodies.size).toBe(0);
});

test("a bad retry is refused", () => {
  for (const retry of [-1, Number.NaN, Infinity]) {
    expect(() => new EventStream(() => respond({}), { retry })).toThrow(UsageError);
  }
});
