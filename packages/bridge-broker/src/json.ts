/** Values as brokers store them. */
import { UsageError } from "@anyloop/core";
import { MalformedMessageError } from "./errors.ts";

/** @throws UsageError for what JSON cannot say. */
export function encode(value: unknown): string {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw new UsageError(`This cannot be sent: ${String(error)}. Send what JSON can say.`, { cause: error });
  }
  if (text !== undefined) return text;
  throw new UsageError(`A broker stores JSON, which has no ${typeof value}. Send an object, or null.`);
}

/** @throws MalformedMessageError. */
export function decode(raw: string): unknown {
  try {
    return JSON.parse(raw) as unknown;
  } catch (error) {
    throw new MalformedMessageError(raw, error);
  }
}

/** @throws UsageError for what would be performed on the way instead of sent. */
export function checkValue(value: unknown): void {
  const then: unknown =
    typeof value === "object" && value !== null && "then" in value ? value.then : undefined;
  if (typeof then === "function") {
    throw new UsageError("Operations and promises cannot be sent. Send what they give.");
  }
}
