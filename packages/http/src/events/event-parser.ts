/**
 * Bytes in, server-sent events out.
 *
 * Invariant: what comes out does not depend on how the bytes were cut, and what is kept in between is bounded.
 */
import { BrokenResourceError } from "@anyloop/core";
import type { ServerSentEvent } from "./server-sent-event.ts";

export interface EventParserOptions {
  /** Most characters of one event; 1 048 576 if not given. */
  readonly maxEventLength?: number | undefined;
  /** The last id of an earlier connection. */
  readonly lastEventId?: string | undefined;
}

/**
 * ```ts
 * import { EventParser } from "@anyloop/http";
 *
 * const parser = new EventParser();
 * const bytes = new TextEncoder().encode("id: 7\nevent: price\ndata: 42\ndata: 43\n\ndata: cut o");
 * parser.push(bytes, ({ event, data }) => {
 *   console.log(event, JSON.stringify(data)); // price "42\n43"
 * });
 * console.log(parser.lastEventId); // 7
 * ```
 */
export class EventParser {
  /** The byte order mark is ours to skip: Deno's decoder skips later ones as well, where a chunk begins with one. */
  private readonly decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  private hasBegun = false;
  private readonly maxEventLength: number;
  /** A line that has not ended yet. */
  private line = "";
  /** The last character was a carriage return, whose line feed may follow. */
  private hasReturned = false;
  private data: string[] = [];
  private event = "";
  private id: string;
  private length = 0;
  private last: string;
  private delay: number | undefined = undefined;

  constructor({ maxEventLength = 1_048_576, lastEventId = "" }: EventParserOptions = {}) {
    this.maxEventLength = maxEventLength;
    this.id = lastEventId;
    this.last = lastEventId;
  }

  /** What to send as `Last-Event-ID` when connecting again; empty if the server has given none. */
  get lastEventId(): string {
    return this.last;
  }

  /** Milliseconds to wait before connecting again, if the server has said. */
  get retry(): number | undefined {
    return this.delay;
  }

  /**
   * Calls back for each event that is complete with these bytes. What follows the last one is kept for the next call; at
   * the end of the stream it is no event. A byte order mark at the start is skipped, bytes that are no UTF-8 become U+FFFD.
   * @throws BrokenResourceError for an event longer than `maxEventLength`.
   */
  push(bytes: Uint8Array, onEvent: (event: ServerSentEvent) => void): void {
    const text = this.decoder.decode(bytes, { stream: true });
    if (text === "") return;
    const skipped = this.hasReturned ? "\n" : this.hasBegun ? "" : "\uFEFF";
    let start = text.startsWith(skipped) ? skipped.length : 0;
    this.hasBegun = true;
    this.hasReturned = text.endsWith("\r");
    const lineEnd = /\r\n?|\n/g;
    lineEnd.lastIndex = start;
    for (let end = lineEnd.exec(text); end !== null; end = lineEnd.exec(text)) {
      this.grow(end.index - start);
      const event = this.take(this.line + text.slice(start, end.index));
      if (event !== undefined) onEvent(event);
      this.line = "";
      start = lineEnd.lastIndex;
    }
    this.grow(text.length - start);
    this.line += text.slice(start);
  }

  private grow(characters: number): void {
    this.length += characters;
    if (this.length <= this.maxEventLength) return;
    throw new BrokenResourceError(
      `The server sent an event of more than ${String(this.maxEventLength)} characters. Allow more with maxEventLength.`,
    );
  }

  /** Takes a line; gives the event that it ends. */
  private take(line: string): ServerSentEvent | undefined {
    if (line === "") return this.dispatch();
    const colon = line.indexOf(":");
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    // A comment has the empty name. What is not known is ignored.
    if (name === "data") this.data.push(value);
    else if (name === "event") this.event = value;
    else if (name === "id" && !value.includes("\0")) this.id = value;
    else if (name === "retry" && /^[0-9]+$/.test(value)) this.delay = Number(value);
    // Comments keep a connection alive for days, and are not kept.
    if (name === "") this.length -= line.length;
    return undefined;
  }

  private dispatch(): ServerSentEvent | undefined {
    const { data, event, id } = this;
    this.last = id;
    this.data = [];
    this.event = "";
    this.length = 0;
    if (data.length === 0) return undefined;
    const text = data.join("\n");
    return { data: text, event: event === "" ? "message" : event, id };
  }
}
