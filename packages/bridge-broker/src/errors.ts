/** What goes wrong with brokers, beside what goes wrong with every stream. The client library's own error is the `cause`. */
import { AnyloopError } from "@anyloop/core";

/** A broker cannot be reached, does not let us in, or refuses what we ask for. */
export class BrokerError extends AnyloopError {
  override readonly name = "BrokerError";
  readonly code = "BROKER";
}

/** A message came that is not JSON. It stays on the queue: give the queue a `poison` handler, which takes such as well. */
export class MalformedMessageError extends AnyloopError {
  override readonly name = "MalformedMessageError";
  readonly code = "MALFORMED_MESSAGE";
  /** What came. */
  readonly raw: string;

  constructor(raw: string, cause: unknown) {
    super(
      `A message is not JSON: ${quote(raw)}. It stays on the queue; give the queue \`poison\`, which takes such messages off it.`,
      { cause },
    );
    this.raw = raw;
  }
}

/** Most characters of a message that an error repeats. */
const longestQuote = 60;

function quote(raw: string): string {
  return JSON.stringify(raw.length > longestQuote ? `${raw.slice(0, longestQuote)}…` : raw);
}
