/** Time limits of a request, by phase, in milliseconds. Each has an error class of its own: see errors.ts. */
import { UsageError } from "@anyloop/core";

/** In milliseconds; `Infinity`: no limit. */
export interface TimeoutOptions {
  /** The whole request, with redirects and retries, until its body was read. No limit if not given. */
  readonly total?: number | undefined;
  /** Waiting for a connection of the pool. No limit if not given. */
  readonly pool?: number | undefined;
  /** Making a connection: name look-up, TCP, a proxy, TLS. 10 000 if not given. */
  readonly connect?: number | undefined;
  /** From the request's last byte to the answer's first. 300 000 if not given. */
  readonly firstByte?: number | undefined;
  /** While the body is read: from one piece to the next. 300 000 if not given. */
  readonly betweenChunks?: number | undefined;
}

export type Limits = Readonly<Record<keyof TimeoutOptions, number>>;

const defaults: Limits = {
  total: Infinity,
  pool: Infinity,
  connect: 10_000,
  firstByte: 300_000,
  betweenChunks: 300_000,
};

/** A number is the limit of the whole. @throws UsageError for what is no time. */
export function limitsOf(options: number | TimeoutOptions | undefined, base: Limits = defaults): Limits {
  if (options === undefined) return base;
  const given: TimeoutOptions = typeof options === "number" ? { total: options } : options;
  const limits: Record<keyof TimeoutOptions, number> = { ...base };
  for (const phase of Object.keys(defaults) as (keyof TimeoutOptions)[]) {
    const limit = given[phase];
    if (limit === undefined) continue;
    if (!(limit > 0)) {
      throw new UsageError(
        `The time limit ${phase} is ${String(limit)}. Give milliseconds, more than 0; Infinity for none.`,
      );
    }
    limits[phase] = limit;
  }
  return limits;
}
