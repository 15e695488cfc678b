/** BufferedByteStream, TextStream and linesOf, over a stream of pieces. */
import {
  BufferedByteStream,
  type ByteReceiveStream,
  type ByteStream,
  ClosedResourceError,
  type Coroutine,
  DelimiterNotFound,
  EndOfStream,
  forEach,
  IncompleteRead,
  linesOf,
  type MemoryReceiveStream,
  type MemorySendStream,
  memoryStream,
  moveOnAfter,
  type Operation,
  perform,
  taskGroup,
  TextStream,
  UsageError,
} from "@anyloop/core";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import * as fc from "fast-check";
import { caught, each, eachAsync } from "./each.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const text = (data: Uint8Array): string => new TextDecoder("utf-8", { ignoreBOM: true }).decode(data);

/** A byte stream over two memory streams: each `receive` gives at most one of the pieces that were sent. */
class Pieces implements ByteStream {
  readonly #sending: MemorySendStream<Uint8Array>;
  readonly #receiving: MemoryReceiveStream<Uint8Array>;
  #rest: Uint8Array | undefined;

  constructor(sending: MemorySendStream<Uint8Array>, receiving: MemoryReceiveStream<Uint8Array>) {
    this.#sending = sending;
    this.#receiving = receiving;
  }

  receive(maxBytes = 65_536): Operation<Uint8Array> {
    return perform(this, this.#receive, maxBytes);
  }

  *#receive(maxBytes: number): Coroutine<Uint8Array> {
    const piece = this.#rest ?? (yield* this.#receiving.receive());
    this.#rest = piece.length > maxBytes ? piece.subarray(maxBytes) : undefined;
    return piece.subarray(0, maxBytes);
  }

  send(data: Uint8Array): Operation<void> {
    return this.#sending.send(data);
  }

  sendEof(): Operation<void> {
    return this.#sending.close();
  }

  close(): Operation<void> {
    return this.#receiving.close();
  }

  [Symbol.asyncDispose](): Operation<void> {
    return this.close();
  }
}

/** A stream that ends after the given pieces. */
function* of(...pieces: (string | Uint8Array)[]): Coroutine<Pieces> {
  const [send, receive] = memoryStream<Uint8Array>(Infinity);
  for (const piece of pieces) send.sendNowait(typeof piece === "string" ? bytes(piece) : piece);
  yield* send.close();
  return new Pieces(send, receive);
}

each("exactly so many bytes, whatever the pieces [anyio receive_exactly]", function* () {
  const stream = new BufferedByteStream(yield* of("ab", "cdefgh", "i"));
  expect(text(yield* stream.receiveExactly(0))).toBe("");
  expect(text(yield* stream.receiveExactly(3))).toBe("abc");
  expect(text(stream.buffer)).toBe("defgh");
  expect(text(yield* stream.receiveExactly(6))).toBe("defghi");
});

each("an incomplete read leaves what had come [anyio receive_exactly_incomplete]", function* () {
  const stream = new BufferedByteStream(yield* of("abc"));
  expect(yield* caught(stream.receiveExactly(4))).toBeInstanceOf(IncompleteRead);
  expect(text(yield* stream.receiveExactly(3))).toBe("abc");
  expect(yield* caught(stream.receiveExactly(1))).toBeInstanceOf(IncompleteRead);
  expect(yield* caught(stream.receive())).toBeInstanceOf(EndOfStream);
});

each("a delimiter cut in two is found; the rest stays [anyio receive_until]", function* () {
  const stream = new BufferedByteStream(yield* of("ab", "c\r", "\nd\r\n", "e"));
  expect(text(yield* stream.receiveUntil("\r\n"))).toBe("abc");
  expect(text(yield* stream.receiveUntil("\r\n"))).toBe("d");
  expect(yield* caught(stream.receiveUntil("\r\n"))).toBeInstanceOf(IncompleteRead);
  expect(text(stream.buffer)).toBe("e");
});

each("a delimiter beyond the bytes allowed is not found, and nothing is taken", function* () {
  const stream = new BufferedByteStream(yield* of("abcdef|g"));
  expect(yield* caught(stream.receiveUntil("|", 5))).toBeInstanceOf(DelimiterNotFound);
  expect(text(yield* stream.receiveUntil("|", 6))).toBe("abcdef");
});

each("receive gives the buffer first, at most so many bytes [anyio buffered_stream]", function* () {
  const stream = new BufferedByteStream(yield* of("abcdef", "gh"));
  yield* stream.receiveExactly(1);
  expect(text(yield* stream.receive(2))).toBe("bc");
  expect(text(yield* stream.receive())).toBe("def");
  expect(text(yield* stream.receive(1))).toBe("g");
  expect(text(yield* stream.receive())).toBe("h");
});

each(
  "numbers and delimiters that cannot be are refused at once [anyio receive_invalid_max_bytes]",
  function* () {
    const stream = new BufferedByteStream(yield* of("a"));
    for (const maxBytes of [0, -1, 1.5, Number.NaN]) {
      expect(() => stream.receive(maxBytes)).toThrow(UsageError);
      expect(() => stream.receiveUntil("x", maxBytes)).toThrow(UsageError);
      expect(() => stream.receiveLine(maxBytes)).toThrow(UsageError);
    }
    expect(() => stream.receiveExactly(-1)).toThrow(UsageError);
    expect(() => stream.receiveUntil("")).toThrow(UsageError);
  },
);

each("a cancelled read keeps what had come", function* () {
  const [send, receive] = memoryStream<Uint8Array>(Infinity);
  const stream = new BufferedByteStream(new Pieces(send, receive));
  send.sendNowait(bytes("ab"));
  yield* moveOnAfter(1, stream.receiveExactly(4));
  expect(text(stream.buffer)).toBe("ab");
  send.sendNowait(bytes("cd"));
  expect(text(yield* stream.receiveExactly(4))).toBe("abcd");
});

each("reading in a cancelled scope takes nothing, from the buffer neither", function* () {
  const stream = new BufferedByteStream(yield* of("abc\n"));
  yield* stream.receiveExactly(1);
  for (const read of [
    stream.receive(),
    stream.receiveExactly(1),
    stream.receiveUntil("\n"),
    stream.receiveLine(),
  ]) {
    expect(yield* moveOnAfter(0, read as Operation<unknown>)).toBe(undefined);
  }
  expect(text(stream.buffer)).toBe("bc\n");
});

each("closing wakes who reads, and reading closed is an error; closing works cancelled", function* () {
  const [send, receive] = memoryStream<Uint8Array>();
  const stream = new BufferedByteStream(new Pieces(send, receive));
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      expect(yield* caught(stream.receiveLine())).toBeInstanceOf(ClosedResourceError);
    });
    yield* waitAllTasksBlocked();
    yield* moveOnAfter(0, stream.close());
  });
  expect(yield* caught(stream.receive())).toBeInstanceOf(ClosedResourceError);
  yield* stream.close();
});

each("a stream that only receives cannot send", function* () {
  const whole = yield* of("a");
  const half: ByteReceiveStream = {
    receive: (maxBytes) => whole.receive(maxBytes),
    close: () => whole.close(),
    [Symbol.asyncDispose]: () => whole.close(),
  };
  expect(() => new BufferedByteStream(half).send(bytes("x"))).toThrow(UsageError);
  expect(() => new TextStream(half).send("x")).toThrow(UsageError);
});

each("lines end with a line feed, with or without a carriage return; the last needs none", function* () {
  const lines: string[] = [];
  const stream = linesOf(yield* of("one\ntw", "o\r\n\n\r\nfive"));
  yield* forEach(stream, (line) => {
    lines.push(line);
  });
  expect(lines).toEqual(["one", "two", "", "", "five"]);
});

each("a carriage return that ends no line is part of the last one", function* () {
  const stream = new BufferedByteStream(yield* of("a\rb\nlast\r"));
  expect(yield* stream.receiveLine()).toBe("a\rb");
  expect(yield* stream.receiveLine()).toBe("last\r");
});

each("a line of exactly the bytes allowed passes, whichever way it ends", function* () {
  const stream = new BufferedByteStream(yield* of("abcd\nabcd\r\nabcd"));
  for (let line = 0; line < 3; line++) expect(yield* stream.receiveLine(4)).toBe("abcd");
});

each("a zero width no-break space that begins a later line is text", function* () {
  const stream = linesOf(yield* of("first\n\uFEFFsecond\n"));
  expect(yield* stream.receive()).toBe("first");
  expect(yield* stream.receive()).toBe("\uFEFFsecond");
});

each("a line that is too long says so and takes nothing", function* () {
  const stream = linesOf(yield* of("abcdef\n"), { maxBytes: 3 });
  expect(yield* caught(stream.receive())).toBeInstanceOf(DelimiterNotFound);
});

each("a character cut between pieces is put together [anyio text receive]", function* () {
  const euro = bytes("a€😀");
  const stream = new TextStream(yield* of(...[...euro].map((byte) => Uint8Array.of(byte))));
  const got: string[] = [];
  yield* forEach(stream, (part) => {
    got.push(part);
  });
  expect(got.join("")).toBe("a€😀");
  expect(got.every((part) => part.length > 0)).toBe(true);
});

each("bytes that are no text throw, or are replaced if lenient [anyio receive_encoding_error]", function* () {
  const bad = Uint8Array.of(0xff, 0x41);
  expect(yield* caught(new TextStream(yield* of(bad)).receive())).toBeInstanceOf(TypeError);
  expect(yield* new TextStream(yield* of(bad), { lenient: true }).receive()).toBe("\uFFFDA");
  expect(() => new TextStream(undefined as never, { encoding: "no such thing" })).toThrow(RangeError);
});

each("a character left unfinished at the end throws, once; then the stream has ended", function* () {
  const stream = new TextStream(yield* of(bytes("€").subarray(0, 2)));
  expect(yield* caught(stream.receive())).toBeInstanceOf(TypeError);
  expect(yield* caught(stream.receive())).toBeInstanceOf(EndOfStream);
});

each("text goes both ways [anyio bidirectional_stream]", function* () {
  const [sendA, receiveA] = memoryStream<Uint8Array>(4);
  const stream = new TextStream(new Pieces(sendA, receiveA));
  yield* stream.send("hä");
  yield* stream.sendEof();
  expect(yield* stream.receive()).toBe("hä");
  expect(yield* stream.next()).toEqual({ done: true, value: undefined });
});

eachAsync(
  "lines are the same however the bytes are cut",
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.stringMatching(/^[a-c€]{0,5}\r?$/)),
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1 }),
        async (lines, cuts) => {
          const data = bytes(lines.map((line) => `${line}\n`).join(""));
          const pieces: Uint8Array[] = [];
          for (let at = 0, cut = 0; at < data.length; cut++) {
            const length = cuts[cut % cuts.length] as number;
            pieces.push(data.slice(at, at + length));
            at += length;
          }
          const [send, receive] = memoryStream<Uint8Array>(Infinity);
          for (const piece of pieces) send.sendNowait(piece);
          await send.close();
          const got: string[] = [];
          for await (const line of linesOf(new Pieces(send, receive))) got.push(line);
          expect(got).toEqual(lines.map((line) => line.replace(/\r$/, "")));
        },
      ),
      { numRuns: 20 },
    );
  },
  { seeds: 2 },
);

type Read =
  | { readonly kind: "some" | "exactly" | "line"; readonly count: number }
  | { readonly kind: "until"; readonly delimiter: string };

const reads: fc.Arbitrary<Read> = fc.oneof(
  fc.record({ kind: fc.constantFrom("some", "exactly"), count: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ kind: fc.constant("line"), count: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ kind: fc.constant("until"), delimiter: fc.constantFrom("a", "b\n") }),
);

/** Letters and ends of lines, characters of two to four bytes, and what is no text: cut anywhere. */
const somewhatText: fc.Arbitrary<Uint8Array[]> = fc
  .tuple(
    fc.array(
      fc.oneof(
        { weight: 5, arbitrary: fc.constantFrom("a", "b", "\n", "\r\n").map(bytes) },
        fc.constantFrom("ä", "€", "😀", "\uFEFF").map(bytes),
        fc.constantFrom([0xc3], [0xf0, 0x9f], [0x80], [0xff]).map((raw) => Uint8Array.from(raw)),
      ),
      { maxLength: 40 },
    ),
    fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 5 }),
  )
  .map(([parts, cuts]) =>
    cutInto(
      parts.flatMap((part) => [...part]),
      cuts,
    ),
  );

function cutInto(data: readonly number[], cuts: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < data.length;) {
    const length = cuts[pieces.length % cuts.length] as number;
    pieces.push(Uint8Array.from(data.slice(at, at + length)));
    at += length;
  }
  return pieces;
}

/** What a read gives, and how many bytes it takes, if all of them lie there. `some` may give less. */
function expectedOf(read: Read, rest: Uint8Array): { gives: unknown; takes: number } {
  if (read.kind === "some" || read.kind === "exactly") {
    if (rest.length === 0 && read.kind === "some") return { gives: EndOfStream, takes: 0 };
    if (rest.length < read.count && read.kind === "exactly") return { gives: IncompleteRead, takes: 0 };
    return { gives: rest.subarray(0, read.count), takes: read.count };
  }
  if (read.kind === "until") {
    const delimiter = [...bytes(read.delimiter)];
    const at = rest.findIndex((_, index) => delimiter.every((byte, offset) => rest[index + offset] === byte));
    if (at < 0) return { gives: IncompleteRead, takes: 0 };
    return { gives: rest.subarray(0, at), takes: at + delimiter.length };
  }
  if (rest.length === 0) return { gives: EndOfStream, takes: 0 };
  const at = rest.indexOf(10);
  const end = at < 0 ? rest.length : at > 0 && rest[at - 1] === 13 ? at - 1 : at;
  if (end > read.count) return { gives: DelimiterNotFound, takes: 0 };
  return { gives: text(rest.subarray(0, end)), takes: at < 0 ? end : at + 1 };
}

each("reads of every kind, mixed, give what the bytes say, however they are cut", function* () {
  for (const [pieces, wanted] of fc.sample(
    fc.tuple(somewhatText, fc.array(reads, { minLength: 1, maxLength: 25 })),
    100,
  )) {
    const stream = new BufferedByteStream(yield* of(...pieces));
    let rest = Uint8Array.from(pieces.flatMap((piece) => [...piece]));
    for (const read of wanted) {
      const { gives, takes } = expectedOf(read, rest);
      const got = yield* outcomeOf(stream, read);
      if (read.kind === "some" && got instanceof Uint8Array) {
        expect(got.length).toBeGreaterThan(0);
        expect(got).toEqual(rest.subarray(0, got.length));
        expect(got.length).toBeLessThanOrEqual(read.count);
        rest = rest.subarray(got.length);
      } else if (typeof gives === "function") {
        expect(got, JSON.stringify({ read, rest: [...rest] })).toBeInstanceOf(gives);
      } else {
        expect(got, JSON.stringify({ read, rest: [...rest] })).toEqual(gives);
        rest = rest.subarray(takes);
      }
    }
  }
});

function* outcomeOf(stream: BufferedByteStream, read: Read): Coroutine<unknown> {
  try {
    if (read.kind === "until") return yield* stream.receiveUntil(read.delimiter);
    if (read.kind === "some") return yield* stream.receive(read.count);
    if (read.kind === "exactly") return yield* stream.receiveExactly(read.count);
    return yield* stream.receiveLine(read.count);
  } catch (error) {
    return error;
  }
}

each("a large piece that comes in many is read whole", function* () {
  const pieces = Array.from({ length: 400 }, (_, index) => new Uint8Array(500).fill(index % 251));
  const stream = new BufferedByteStream(yield* of("xy", ...pieces));
  expect(text(yield* stream.receive(1))).toBe("x");
  const whole = yield* stream.receiveExactly(1 + 500 * 399);
  expect(whole.subarray(1)).toEqual(Uint8Array.from(pieces.slice(0, -1).flatMap((piece) => [...piece])));
  expect(yield* stream.receive()).toEqual(pieces.at(-1));
});
