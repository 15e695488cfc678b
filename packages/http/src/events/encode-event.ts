/**
 * A server-sent event as bytes, for whoever serves them.
 *
 * Invariant: whatever the values, the reader gets one event with just these, or the call throws.
 */
import { UsageError } from "@anyloop/core";

export interface EventToSend {
  /** Lines may end in any way; the reader gets them with `\n`. Without data the reader gets no event. */
  readonly data?: string | undefined;
  /** What kind of event it is. */
  readonly event?: string | undefined;
  /** What the reader sends as `Last-Event-ID` when it connects again. */
  readonly id?: string | undefined;
  /** Milliseconds that the reader waits before it connects again. */
  readonly retry?: number | undefined;
  /** Nothing for the reader; keeps proxies from closing a silent connection. */
  readonly comment?: string | undefined;
}

const encoder = new TextEncoder();

/**
 * ```ts
 * import { encodeEvent } from "@anyloop/http";
 *
 * const bytes = encodeEvent({ event: "price", data: "42\n43", id: "7" });
 * console.log(JSON.stringify(new TextDecoder().decode(bytes))); // "event: price\nid: 7\ndata: 42\ndata: 43\n\n"
 * ```
 *
 * @throws UsageError for an `event` or `id` with a line break, an `id` with a null character, and a `retry` that is no
 * whole number of milliseconds.
 */
export function encodeEvent({ data, event, id, retry, comment }: EventToSend): Uint8Array {
  const lines: string[] = [];
  if (comment !== undefined) lines.push(...fieldLines("", comment));
  if (event !== undefined) lines.push(`event: ${checked("event", event)}`);
  if (id !== undefined) lines.push(`id: ${checked("id", id)}`);
  if (retry !== undefined) lines.push(`retry: ${String(checkedRetry(retry))}`);
  if (data !== undefined) lines.push(...fieldLines("data", data));
  return encoder.encode(`${lines.join("\n")}\n\n`);
}

function fieldLines(name: string, text: string): string[] {
  return text.split(/\r\n|\r|\n/).map((line) => `${name}: ${line}`);
}

function checked(name: "event" | "id", value: string): string {
  if (!/[\r\n]/.test(value) && !(name === "id" && value.includes("\0"))) return value;
  throw new UsageError(
    `The ${name} ${JSON.stringify(value)} has a line break or a null character, which would end it. Put it into the data.`,
  );
}

function checkedRetry(milliseconds: number): number {
  if (Number.isSafeInteger(milliseconds) && milliseconds >= 0) return milliseconds;
  throw new UsageError(`retry is ${String(milliseconds)}. Give a whole number of milliseconds.`);
}
