/** An event that a server sends: the HTML standard, section 9.2. */
export interface ServerSentEvent {
  readonly data: string;
  /** What kind of event it is; `"message"` if the server has not said. */
  readonly event: string;
  /** The last id that the server has given, with this event or before; empty if none. */
  readonly id: string;
}
