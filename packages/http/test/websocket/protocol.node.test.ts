/** What a peer may send and what it may not, in raw frames over a real socket: the cases of autobahn that matter. */
import {
  BrokenResourceError,
  type Coroutine,
  EndOfStream,
  operation,
  type Operation,
  taskGroup,
} from "@anyloop/core";
import type { WebSocketStream } from "@anyloop/http";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught } from "../../../../tools/test-support/each-real.ts";
import { each } from "./each.ts";
import { closing, frame, opcodes, rawClientIn, type RawPeer, rawServerIn } from "./pairs.ts";

const { continuation, text, binary, close, ping, pong } = opcodes;

/** What the server's end gives for the frames of a client, and what it sends back until the connection ends. */
interface Outcome {
  readonly messages: readonly unknown[];
  readonly end: unknown;
  readonly sent: Buffer;
  readonly closeCode: number | undefined;
}

const receiveAll: (stream: WebSocketStream) => Operation<{ messages: unknown[]; end: unknown }> = operation(
  function* receiveAll(stream: WebSocketStream): Coroutine<{ messages: unknown[]; end: unknown }> {
    const messages: unknown[] = [];
    try {
      for (;;) {
        const message = yield* stream.receive();
        messages.push(typeof message === "string" ? message : [...message]);
      }
    } catch (end) {
      return { messages, end };
    }
  },
);

const outcomeOf: (
  frames: readonly Uint8Array[],
  options?: { maxMessageBytes?: number; compression?: boolean },
) => Operation<Outcome> = operation(function* outcomeOf(
  frames: readonly Uint8Array[],
  options?: { maxMessageBytes?: number; compression?: boolean },
): Coroutine<Outcome> {
  const headers = options?.compression === true ? ["Sec-WebSocket-Extensions: permessage-deflate"] : [];
  const { raw, server } = yield* rawClientIn(options, headers);
  raw.socket.write(Buffer.concat(frames));
  const outcome = yield* receiveAll(server);
  yield* endRaw(raw, server);
  return { ...outcome, sent: yield* raw.all(), closeCode: server.closeCode };
});

/** A peer that has heard the word of closing ends the connection. */
const endRaw = operation(function* endRaw(raw: RawPeer, server: WebSocketStream): Coroutine<void> {
  raw.socket.end();
  yield* server.close();
});

/** The bytes of our own closing frame. */
const closed = (code: number): number[] => [0x88, 2, code >> 8, code & 255];
const normal = frame(close, closing(1000));

const whole = "grüß dich 🌍";
const wholeBytes = [...Buffer.from(whole)];

const good: [name: string, frames: Uint8Array[], messages: unknown[], before?: number[]][] = [
  ["one frame", [frame(text, whole)], [whole]],
  ["an empty message", [frame(text), frame(binary)], ["", []]],
  [
    "fragments, one byte each, through the middle of characters",
    [
      ...wholeBytes.map((byte, index) =>
        frame(index === 0 ? text : continuation, Uint8Array.of(byte), { fin: false }),
      ),
      frame(continuation),
    ],
    [whole],
  ],
  [
    "empty fragments",
    [frame(text, "", { fin: false }), frame(continuation, "", { fin: false }), frame(continuation)],
    [""],
  ],
  [
    "control frames between fragments",
    [
      frame(binary, Uint8Array.of(1), { fin: false }),
      frame(ping, "a"),
      frame(continuation, Uint8Array.of(2), { fin: false }),
      frame(pong, "unasked"),
      frame(continuation, Uint8Array.of(3)),
    ],
    [[1, 2, 3]],
    [0x8a, 1, 97],
  ],
  ["a ping with 125 bytes", [frame(ping, "p".repeat(125))], [], [0x8a, 125, ...Buffer.from("p".repeat(125))]],
  ["a ping without any", [frame(ping)], [], [0x8a, 0]],
  ["a pong that nobody asked for", [frame(pong, "x"), frame(text, "after")], ["after"]],
  [
    "lengths around 126 and 65 536",
    [125, 126, 127, 65_535, 65_536].map((size) => frame(text, "x".repeat(size))),
    [125, 126, 127, 65_535, 65_536].map((size) => "x".repeat(size)),
  ],
  ["the noncharacters of Unicode", [frame(text, "\uFFFE\uFFFF\u{10FFFF}\0")], ["\uFFFE\uFFFF\u{10FFFF}\0"]],
];

for (const [name, frames, messages, before = []] of good) {
  each(`received: ${name}`, function* () {
    const outcome = yield* outcomeOf([...frames, normal]);
    expect(outcome.messages).toEqual(messages);
    expect(outcome.end).toBeInstanceOf(EndOfStream);
    expect([...outcome.sent]).toEqual([...before, ...closed(1000)]);
  });
  each(`received, byte by byte: ${name}`, function* () {
    const bytes = Buffer.concat([...frames, normal]);
    if (bytes.length > 2000) return;
    const { raw, server } = yield* rawClientIn();
    yield* taskGroup(function* (group) {
      const receiving = group.startSoon(receiveAll(server));
      for (const byte of bytes) {
        raw.socket.write(Uint8Array.of(byte));
        yield* waitAllTasksBlocked();
      }
      expect((yield* receiving.join()).messages).toEqual(messages);
    });
    yield* endRaw(raw, server);
  });
}

const invalidTexts: [name: string, bytes: number[]][] = [
  ["a lone continuation byte", [0x80]],
  ["an overlong slash", [0xc0, 0xaf]],
  ["a surrogate", [0xed, 0xa0, 0x80]],
  ["beyond U+10FFFF", [0xf4, 0x90, 0x80, 0x80]],
  ["a character cut off", [0xce, 0xba, 0xe1, 0xbd]],
  ["a byte that is never right", [0x61, 0xff]],
];

const bad: [name: string, frames: Uint8Array[], code: number, messages?: unknown[]][] = [
  ...invalidTexts.map(([name, bytes]): [string, Uint8Array[], number] => [
    `UTF-8: ${name}`,
    [frame(text, Uint8Array.from(bytes))],
    1007,
  ]),
  ...invalidTexts.map(([name, bytes]): [string, Uint8Array[], number] => [
    `UTF-8 over fragments: ${name}`,
    [
      frame(text, "good", { fin: false }),
      ...bytes.map((byte) => frame(continuation, Uint8Array.of(byte), { fin: false })),
      frame(continuation),
    ],
    1007,
  ]),
  [
    "UTF-8 in the reason of closing",
    [frame(close, Buffer.concat([closing(1000), Buffer.from([0xff])]))],
    1007,
  ],
  ["a close frame of one byte", [frame(close, Uint8Array.of(3))], 1002],
  ["a close frame of 126 bytes", [frame(close, closing(1000, "x".repeat(124)))], 1002],
  ["a ping of 126 bytes", [frame(ping, "x".repeat(126))], 1002],
  ["a ping in fragments", [frame(ping, "x", { fin: false })], 1002],
  ["a continuation of nothing", [frame(continuation, "x")], 1002],
  [
    "a continuation after the end",
    [frame(text, "a", { fin: false }), frame(continuation, "b"), frame(continuation, "c")],
    1002,
    ["ab"],
  ],
  ["a new message inside another", [frame(text, "a", { fin: false }), frame(text, "b")], 1002],
  ...[1, 2, 3, 4, 5, 6, 7].map((reserved): [string, Uint8Array[], number] => [
    `reserved bits ${String(reserved)}`,
    [frame(text, "x", { reserved })],
    1002,
  ]),
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode): [string, Uint8Array[], number, unknown[]] => [
    `opcode ${String(opcode)}`,
    [frame(text, "before"), frame(opcode, "x")],
    1002,
    ["before"],
  ]),
  ["a frame that is not masked", [frame(text, "x", { mask: false })], 1002],
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map(
    (code): [string, Uint8Array[], number] => [
      `close code ${String(code)}`,
      [frame(close, closing(code))],
      1002,
    ],
  ),
];

for (const [name, frames, code, messages = []] of bad) {
  each(`refused with ${String(code)}: ${name}`, function* () {
    const outcome = yield* outcomeOf([...frames, frame(text, "never read")]);
    expect(outcome.messages).toEqual(messages);
    expect(outcome.end).toBeInstanceOf(BrokenResourceError);
    expect([...outcome.sent]).toEqual(closed(code));
    expect(outcome.closeCode).toBe(code);
  });
}

for (const code of [
  1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
]) {
  each(`close code ${String(code)} is valid, and echoed`, function* () {
    const outcome = yield* outcomeOf([frame(close, closing(code, "why")), frame(text, "never read")]);
    expect(outcome.end).toBeInstanceOf(code <= 1001 ? EndOfStream : BrokenResourceError);
    expect([...outcome.sent]).toEqual(closed(code));
    expect(outcome.closeCode).toBe(code);
  });
}

each("a close without a code is an orderly end, 1005", function* () {
  const outcome = yield* outcomeOf([frame(close)]);
  expect(outcome.end).toBeInstanceOf(EndOfStream);
  expect([...outcome.sent]).toEqual([0x88, 0]);
  expect(outcome.closeCode).toBe(1005);
});

each(
  "the size limit holds for one frame before its bytes come, for all fragments together, and for what is inflated",
  function* () {
    const { deflateRawSync } = process.getBuiltinModule("node:zlib");
    const bomb = deflateRawSync(Buffer.alloc(10_000_000));
    const attempts: [frames: Uint8Array[], compression: boolean][] = [
      [[frame(binary, "x", { length: 1001 })], false],
      [[frame(binary, "x", { length: 0x7f_ff_ff_ff })], false],
      [[frame(text, "x".repeat(600), { fin: false }), frame(continuation, "x".repeat(401))], false],
      [[frame(binary, bomb, { reserved: 4 })], true],
      [[frame(binary, bomb.subarray(0, 500), { reserved: 4 })], true],
    ];
    for (const [frames, compression] of attempts) {
      const outcome = yield* outcomeOf([frame(text, "x".repeat(1000)), ...frames], {
        maxMessageBytes: 1000,
        compression,
      });
      expect(outcome.messages).toEqual(["x".repeat(1000)]);
      expect([...outcome.sent]).toEqual(closed(1009));
      expect(outcome.closeCode).toBe(1009);
    }
  },
);

each("what cannot be inflated is refused with 1007", function* () {
  const outcome = yield* outcomeOf([frame(text, Uint8Array.of(0xff, 0xff, 0xff), { reserved: 4 })], {
    compression: true,
  });
  expect(outcome.end).toBeInstanceOf(BrokenResourceError);
  expect([...outcome.sent]).toEqual(closed(1007));
});

each("a client refuses masked frames, and masks its own", function* () {
  yield* taskGroup(function* (group) {
    const { raw, client } = yield* rawServerIn(group);
    yield* client.send("secret");
    const bytes = yield* raw.until((all) => all.length >= 12);
    expect([...bytes.subarray(0, 2)]).toEqual([0x81, 0x80 | 6]);
    const key = bytes.subarray(2, 6);
    expect(Buffer.from(bytes.subarray(6).map((byte, index) => byte ^ (key[index & 3] ?? 0))).toString()).toBe(
      "secret",
    );
    raw.socket.write(Buffer.concat([frame(text, "fine", { mask: false }), frame(text, "masked")]));
    expect(yield* client.receive()).toBe("fine");
    expect(yield* caught(client.receive())).toBeInstanceOf(BrokenResourceError);
    expect(client.closeCode).toBe(1002);
    raw.socket.end();
    yield* client.close();
  });
});
