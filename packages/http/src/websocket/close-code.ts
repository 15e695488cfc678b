/** Why a websocket was closed, in numbers: RFC 6455, section 7.4. */
import { AnyloopError, UsageError } from "@anyloop/core";

/** The connection ended in order. */
export const normalClosure = 1000;
/** A program ends, or a page is left. */
export const goingAway = 1001;
/** The peer's word of closing had no code. Never sent. */
export const noStatus = 1005;
/** The connection ended without a word of closing. Never sent. */
export const abnormalClosure = 1006;
/** Something went wrong on this side. */
export const internalError = 1011;
/** Bytes of a reason that fit into a closing frame. */
const longestReason = 123;

/** Whether this is an orderly end, and no error. */
export function isOrderly(code: number): boolean {
  return code === normalClosure || code === goingAway || code === noStatus;
}

function isSendable(code: number): boolean {
  if (!Number.isInteger(code)) return false;
  if (code >= 3000 && code <= 4999) return true;
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== noStatus && code !== abnormalClosure;
}

/** @throws UsageError for what cannot be sent. */
export function checkClosing(code: number, reason: string): void {
  if (!isSendable(code)) {
    throw new UsageError(
      `${String(code)} is no close code that can be sent. Use 1000 for a normal end, or one of your own from 4000 to 4999.`,
    );
  }
  if (new TextEncoder().encode(reason).length > longestReason) {
    throw new UsageError(
      `The reason is too long. A closing frame takes ${String(longestReason)} bytes of UTF-8.`,
    );
  }
}

/** The `cause` when the peer closed for another reason than a normal end. */
export class WebSocketClosedError extends AnyloopError {
  override readonly name = "WebSocketClosedError";
  readonly code = "WEBSOCKET_CLOSED";
  /** The peer's close code, 1002 and above. */
  readonly closeCode: number;
  readonly reason: string;

  constructor(closeCode: number, reason: string) {
    super(`The peer closed the websocket with ${String(closeCode)}${reason === "" ? "" : ` (${reason})`}.`);
    this.closeCode = closeCode;
    this.reason = reason;
  }
}
