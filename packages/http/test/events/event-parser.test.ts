/** Events from bytes, and back. */
import { BrokenResourceError, UsageError } from "@anyloop/core";
import {
  encodeEvent,
  EventParser,
  type EventParserOptions,
  type ServerSentEvent,
} from "@anyloop/http/client";
import fc from "fast-check";
import { expect, test } from "vitest";

const encoder = new TextEncoder();

function parse(chunks: readonly Uint8Array[], options?: EventParserOptions) {
  const parser = new EventParser(options);
  const events: ServerSentEvent[] = [];
  for (const chunk of chunks) parser.push(chunk, (event) => events.push(event));
  return { events, lastEventId: parser.lastEventId, retry: parser.retry };
}

const parseText = (text: string): readonly ServerSentEvent[] => parse([encoder.encode(text)]).events;
const message = (data: string, id = ""): ServerSentEvent => ({ data, event: "message", id });

/** The chunks of some bytes, cut at these places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [...at, bytes.length].map((end, index) => bytes.subarray(index === 0 ? 0 : at[index - 1], end));
}

const cases: [name: string, text: string, events: ServerSentEvent[]][] = [
  ["the standard's first example", "data: YHOO\ndata: +2\ndata: 10\n\n", [message("YHOO\n+2\n10")]],
  [
    "the standard's second example",
    ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
    [message("first event", "1"), message("second event"), message(" third event")],
  ],
  ["the standard's third example", "data\n\ndata\ndata\n\ndata:", [message(""), message("\n")]],
  ["the standard's fourth example", "data:test\n\ndata: test\n\n", [message("test"), message("test")]],
  [
    "every kind of line end",
    "data: a\r\n\r\ndata: b\r\rdata: c\n\n",
    [message("a"), message("b"), message("c")],
  ],
  ["a byte order mark at the start, and only there", "\uFEFFdata: a\n\n\uFEFFdata: b\n\n", [message("a")]],
  [
    "the kind, which does not last",
    "event: x\ndata: 1\n\ndata: 2\n\n",
    [{ data: "1", event: "x", id: "" }, message("2")],
  ],
  ["the id, which lasts", "id: 1\ndata: a\n\ndata: b\n\n", [message("a", "1"), message("b", "1")]],
  ["an id with a null character is ignored", "id: 1\n\nid: 2\0\ndata: a\n\n", [message("a", "1")]],
  ["a kind without data is no event, and does not last", "event: x\n\ndata: a\n\n", [message("a")]],
  ["what is not known is ignored", "foo: bar\nDATA: x\ndata: a\n\n", [message("a")]],
  ["the end of the stream ends no event", "data: a\n", []],
  ["colons in the data", "data: a: b:c\n\n", [message("a: b:c")]],
];

for (const [name, text, events] of cases) {
  test(`parsed: ${name}`, () => {
    expect(parseText(text)).toEqual(events);
  });
  test(`parsed, byte by byte: ${name}`, () => {
    expect(parse([...encoder.encode(text)].map((byte) => Uint8Array.of(byte))).events).toEqual(events);
  });
}

test("the id counts with its complete event, and retry at once", () => {
  expect(parse([encoder.encode("id: 1\n\nid: 2\nretry: 500\ndata: cut off")])).toEqual({
    events: [],
    lastEventId: "1",
    retry: 500,
  });
  for (const wrong of ["-1", "1.5", "1e3", "soon", ""]) {
    expect(parse([encoder.encode(`retry: 7\nretry: ${wrong}\n\n`)]).retry).toBe(7);
  }
});

test("bytes that are no UTF-8 are replaced", () => {
  const bytes = Uint8Array.from([...encoder.encode("data: a"), 0xff, ...encoder.encode("b\n\n")]);
  expect(parse([bytes]).events).toEqual([message("a\uFFFDb")]);
});

test("an event that is too long is refused, after those before it; comments do not count", () => {
  const parser = new EventParser({ maxEventLength: 100 });
  const events: ServerSentEvent[] = [];
  const push = (text: string): void => parser.push(encoder.encode(text), (event) => events.push(event));
  for (let count = 0; count < 100; count++) push(`: ${"c".repeat(50)}\n`);
  for (let count = 0; count < 100; count++) push("data: 12345678901234567890\n\n");
  expect(events.length).toBe(100);
  expect(() => push(`data: before\n\ndata: ${"x".repeat(100)}`)).toThrow(BrokenResourceError);
  expect(events.length).toBe(101);
  const many = new EventParser({ maxEventLength: 100 });
  expect(() => many.push(encoder.encode("data: 12345\n".repeat(20)), () => {})).toThrow(BrokenResourceError);
});

const lines = fc.array(
  fc.oneof(
    fc.constantFrom(
      "data",
      "data:",
      ":",
      "id: 1",
      "id",
      "event: x",
      "retry: 10",
      "",
      "",
      "data: ü🌍",
      "\uFEFF",
    ),
    fc.string({ unit: "grapheme", maxLength: 12 }),
  ),
);

test("how the bytes are cut makes no difference", () => {
  fc.assert(
    fc.property(
      lines,
      fc.array(fc.constantFrom("\n", "\r", "\r\n")),
      fc.array(fc.nat()),
      (texts, ends, places) => {
        const bytes = encoder.encode(
          texts.map((text, index) => text + (ends[index % ends.length] ?? "\n")).join(""),
        );
        expect(parse(cut(bytes, places))).toEqual(parse([bytes]));
      },
    ),
    { numRuns: 500 },
  );
});

/** Any text without halves of characters, which no encoding has. */
const anyText = fc
  .string({ unit: "binary" })
  .map((text) => new TextDecoder(undefined, { ignoreBOM: true }).decode(encoder.encode(text)));
const oneLine = anyText.map((text) => text.replace(/[\r\n\0]/g, ""));

test("what is encoded comes out again, whatever it is", () => {
  fc.assert(
    fc.property(
      anyText,
      oneLine,
      oneLine,
      fc.nat(),
      fc.option(fc.string()),
      fc.array(fc.nat()),
      (data, event, id, retry, comment, places) => {
        const bytes = encodeEvent({ data, event, id, retry, comment: comment ?? undefined });
        expect(parse(cut(bytes, places))).toEqual({
          events: [{ data: data.replace(/\r\n?/g, "\n"), event: event === "" ? "message" : event, id }],
          lastEventId: id,
          retry,
        });
      },
    ),
    { numRuns: 500 },
  );
});

test("what would end its field is refused", () => {
  for (const bad of ["a\nb", "a\rb", "\r\ndata: forged"]) {
    expect(() => encodeEvent({ id: bad })).toThrow(UsageError);
    expect(() => encodeEvent({ event: bad })).toThrow(UsageError);
  }
  expect(() => encodeEvent({ id: "a\0" })).toThrow(UsageError);
  for (const retry of [-1, 1.5, Number.NaN, Infinity])
    expect(() => encodeEvent({ retry })).toThrow(UsageError);
});
