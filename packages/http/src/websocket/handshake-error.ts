/** Why there is no websocket. Apart from the handshake, so that a browser can have it. */
import { AnyloopError } from "@anyloop/core";

/** The handshake did not lead to a websocket. */
export class WebSocketHandshakeError extends AnyloopError {
  override readonly name = "WebSocketHandshakeError";
  readonly code = "WEBSOCKET_HANDSHAKE";
  /** The HTTP status that the server answered with, where it is known. */
  readonly status: number | undefined;
  /** The headers of that answer. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;

  constructor(
    message: string,
    {
      status,
      headers = {},
      ...options
    }: ErrorOptions & {
      readonly status?: number | undefined;
      readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>>;
    } = {},
  ) {
    super(message, options);
    this.status = status;
    this.headers = headers;
  }
}
