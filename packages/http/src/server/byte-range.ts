/** The `Range` field of a request: which part of a file is wanted (RFC 9110, 14). */

/** Bytes from `start` to `end`, both included. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

const single = /^bytes=\s*(\d*)-(\d*)\s*$/i;

/**
 * The part of `size` bytes that is asked for. Undefined for all of it: where nothing is asked, in another unit, or for
 * several parts at once, which a server need not serve. "unsatisfiable" for what lies outside.
 */
export function byteRangeOf(
  field: string | undefined,
  size: number,
): ByteRange | "unsatisfiable" | undefined {
  const match = single.exec(field ?? "");
  if (match === null) return undefined;
  const [, first = "", last = ""] = match;
  if (first === "" && last === "") return undefined;
  if (first === "") {
    // The last so many bytes.
    const count = Math.min(Number(last), size);
    return count === 0 ? "unsatisfiable" : { start: size - count, end: size - 1 };
  }
  const start = Number(first);
  const end = last === "" ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== "" && Number(last) < start) return undefined;
  return start >= size ? "unsatisfiable" : { start, end };
}
