/** A stream of bytes as a stream of lines. */
import { BufferedByteStream } from "./buffered-byte-stream.ts";
import { type ByteReceiveStream, type ObjectReceiveStream, ReceiveStreamBase } from "./streams.ts";
import type { Operation } from "./types.ts";

export interface LinesOptions {
  /** Most bytes that one line may have; 65 536 if not given. */
  readonly maxBytes?: number | undefined;
}

class Lines extends ReceiveStreamBase<string> {
  private readonly source: BufferedByteStream;
  private readonly maxBytes: number | undefined;

  constructor(source: BufferedByteStream, maxBytes: number | undefined) {
    super();
    this.source = source;
    this.maxBytes = maxBytes;
  }

  receive(): Operation<string> {
    return this.source.receiveLine(this.maxBytes);
  }

  close(): Operation<void> {
    return this.source.close();
  }
}

/**
 * The lines of a stream of UTF-8 bytes, without their ends (`\n` or `\r\n`); a last line needs none. Closing it closes
 * the stream.
 */
export function linesOf(stream: ByteReceiveStream, options: LinesOptions = {}): ObjectReceiveStream<string> {
  const source = stream instanceof BufferedByteStream ? stream : new BufferedByteStream(stream);
  return new Lines(source, options.maxBytes);
}
