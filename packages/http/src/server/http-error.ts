/** An answer that is thrown: from wherever in a handler it becomes clear that the request cannot be served. */
import { STATUS_CODES } from "node:http";
import { AnyloopError } from "@anyloop/core";
import type { HeadersInit } from "../headers.ts";

export interface HttpErrorOptions extends ErrorOptions {
  /** Sent with the answer. */
  readonly headers?: HeadersInit | undefined;
}

/**
 * Thrown by a handler, it is the answer: its status, and its message as text. Any other error is a 500 that says nothing
 * of what happened.
 */
export class HttpError extends AnyloopError {
  override readonly name = "HttpError";
  readonly code = "HTTP_ERROR";
  readonly status: number;
  readonly headers: HeadersInit | undefined;

  /** The message is for the client; the standard phrase of the status if not given. */
  constructor(
    status: number,
    message: string = STATUS_CODES[status] ?? "Error",
    options: HttpErrorOptions = {},
  ) {
    super(message, options);
    this.status = status;
    this.headers = options.headers;
  }
}
