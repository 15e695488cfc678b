/** What breaks a stream whose source could not be held back. */
import { AnyloopError } from "@anyloop/core";

/** More came from a source that cannot be held back than the buffer takes. */
export class BufferOverflowError extends AnyloopError {
  override readonly name = "BufferOverflowError";
  readonly code = "BUFFER_OVERFLOW";
  /** Items that the buffer takes. */
  readonly capacity: number;

  constructor(capacity: number) {
    super(
      `The source cannot be held back, and more than ${String(capacity)} items waited for a receiver. ` +
        'Receive faster, give a larger capacity, or say whenFull: "drop-oldest" or "drop-newest".',
    );
    this.capacity = capacity;
  }
}
