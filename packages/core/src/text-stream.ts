/** Text over bytes: a character that is cut between two pieces is put together again. */
import { EndOfStream, isEndOfStream, UsageError } from "./errors.ts";
import { perform } from "./operation.ts";
import { type ByteReceiveStream, type ByteStream, type ObjectStream, ReceiveStreamBase } from "./streams.ts";
import type { Coroutine, Operation } from "./types.ts";

export interface TextStreamOptions {
  /** How received bytes are read, a label of `TextDecoder`; "utf-8" if not given. Sent text is always UTF-8. */
  readonly encoding?: string | undefined;
  /** Replaces what is no text by U+FFFD instead of throwing a TypeError. */
  readonly lenient?: boolean | undefined;
}

/** From anyio's TextStream. Sends if what it wraps can. */
export class TextStream extends ReceiveStreamBase<string> implements ObjectStream<string> {
  private readonly stream: ByteReceiveStream | ByteStream;
  private readonly decoder: TextDecoder;
  private readonly encoder = new TextEncoder();
  private hasEnded = false;

  /** @throws RangeError for an encoding that does not exist. */
  constructor(stream: ByteReceiveStream | ByteStream, options: TextStreamOptions = {}) {
    super();
    this.stream = stream;
    this.decoder = new TextDecoder(options.encoding ?? "utf-8", { fatal: options.lenient !== true });
  }

  /** At least one character. @throws EndOfStream; TypeError for bytes that are no text. */
  receive(): Operation<string> {
    return perform(this, this.doReceive);
  }

  send(text: string): Operation<void> {
    return this.sending().send(this.encoder.encode(text));
  }

  sendEof(): Operation<void> {
    return this.sending().sendEof();
  }

  close(): Operation<void> {
    return this.stream.close();
  }

  private sending(): ByteStream {
    if ("send" in this.stream) return this.stream;
    throw new UsageError("This TextStream wraps a stream that only receives.");
  }

  private *doReceive(): Coroutine<string> {
    for (;;) {
      let bytes: Uint8Array | undefined;
      try {
        bytes = yield* this.stream.receive();
      } catch (error) {
        if (!isEndOfStream(error) || this.hasEnded) throw error;
        this.hasEnded = true;
      }
      // At the end the decoder says whether a character was left unfinished.
      const text = bytes === undefined ? this.decoder.decode() : this.decoder.decode(bytes, { stream: true });
      if (text !== "") return text;
      if (bytes === undefined) throw new EndOfStream();
    }
  }
}
