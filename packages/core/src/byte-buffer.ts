/**
 * Bytes that have come and were not taken yet, in one piece of memory.
 *
 * Invariant: bytes that were given out are never written to again, so they need no copy. Each byte is copied, searched for
 * the end of a line and decoded a bounded number of times, however small the pieces are in which it comes or goes.
 */
const empty = /* @__PURE__ */ new Uint8Array(0);
/** A zero width no-break space at the beginning of a line is text, not a mark of the encoding. */
const decoder = /* @__PURE__ */ new TextDecoder("utf-8", { ignoreBOM: true });
const newline = 10;
const carriageReturn = 13;

export class ByteBuffer {
  private bytes: Uint8Array = empty;
  private start = 0;
  private end = 0;
  /** Up to here it is known where the last line ends. */
  private searched = 0;
  /** The whole lines, decoded at once: text of the bytes from `textStart` to `textEnd`, if each of them is a character. */
  private text = "";
  private textStart = 0;
  private textEnd = 0;

  get length(): number {
    return this.end - this.start;
  }

  /** What there is, without taking it. */
  get view(): Uint8Array {
    return this.bytes.subarray(this.start, this.end);
  }

  /** The piece is the buffer's from now on. */
  append(piece: Uint8Array): void {
    if (this.length === 0) {
      this.clear();
      this.bytes = piece;
      this.end = piece.length;
      return;
    }
    if (piece.length > this.bytes.length - this.end) this.move(piece.length);
    this.bytes.set(piece, this.end);
    this.end += piece.length;
  }

  /** The first `count` bytes; there must be as many. */
  take(count: number): Uint8Array {
    const taken = this.bytes.subarray(this.start, this.start + count);
    this.skip(count);
    return taken;
  }

  skip(count: number): void {
    this.start += count;
    if (this.start === this.end) this.clear();
  }

  /** Where the delimiter begins, looked for from `from` on; below 0: nowhere. */
  indexOf(delimiter: Uint8Array, from: number): number {
    const bytes = this.view;
    const first = delimiter[0] as number;
    for (let at = bytes.indexOf(first, from); at >= 0; at = bytes.indexOf(first, at + 1)) {
      if (at + delimiter.length > bytes.length) return -1;
      if (delimiter.every((byte, index) => bytes[at + index] === byte)) return at;
    }
    return -1;
  }

  /** The first `count` bytes as text. */
  takeText(count: number): string {
    return decoder.decode(this.take(count));
  }

  /** The first line as text, without its end (`\n` or `\r\n`); undefined if it has not come whole, or has more than `maxBytes`. */
  takeLine(maxBytes: number): string | undefined {
    if (this.start >= this.textEnd && !this.decodeLines()) return undefined;
    const { text, start } = this;
    if (text === "") return this.takeLineOfBytes(maxBytes);
    const from = start - this.textStart;
    const at = text.indexOf("\n", from);
    const end = at > from && text.charCodeAt(at - 1) === carriageReturn ? at - 1 : at;
    if (end - from > maxBytes) return undefined;
    this.skip(at + 1 - from);
    return text.slice(from, end);
  }

  /** The same where characters and bytes are not one to one. */
  private takeLineOfBytes(maxBytes: number): string | undefined {
    const { bytes, start } = this;
    const at = bytes.indexOf(newline, start);
    const end = at > start && bytes[at - 1] === carriageReturn ? at - 1 : at;
    if (end - start > maxBytes) return undefined;
    this.skip(at + 1 - start);
    return decoder.decode(bytes.subarray(start, end));
  }

  /** Decodes the whole lines there are: one call of the decoder costs as much as decoding a hundred bytes. */
  private decodeLines(): boolean {
    const last = this.bytes.subarray(this.searched, this.end).lastIndexOf(newline);
    const lastEnd = last < 0 ? -1 : this.searched + last + 1;
    this.searched = this.end;
    if (lastEnd <= this.start) return false;
    const text = decoder.decode(this.bytes.subarray(this.start, lastEnd));
    // Fewer characters than bytes: places in the text say nothing about places in the bytes.
    this.text = text.length === lastEnd - this.start ? text : "";
    this.textStart = this.start;
    this.textEnd = lastEnd;
    return true;
  }

  /** Makes room for so many bytes more, in memory that nobody else has seen. */
  private move(count: number): void {
    const { start, length } = this;
    const bytes = new Uint8Array(Math.max(2 * length, length + count));
    bytes.set(this.view);
    this.bytes = bytes;
    this.end = length;
    this.searched = Math.max(0, this.searched - start);
    this.textStart -= start;
    this.textEnd -= start;
    this.start = 0;
  }

  private clear(): void {
    this.bytes = empty;
    this.text = "";
    this.start = this.end = this.searched = this.textStart = this.textEnd = 0;
  }
}
