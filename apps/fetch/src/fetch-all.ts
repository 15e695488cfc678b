/**
 * The library: fetches many URLs at once, within limits. It names no loop, so the same function runs on every backend.
 *
 * Invariant: no more requests are under way than the limits allow, and none is left when it ends, however it ends.
 */
import {
  CapacityLimiter,
  type Coroutine,
  failAfter,
  fromPromise,
  map,
  now,
  type Operation,
  operation,
  sleep,
  TimeoutError,
  UsageError,
} from "anyloop";

export interface FetchOptions {
  /** Requests under way at most. */
  readonly total: number;
  /** Requests under way at most to one host and port, as written in the URL: redirects are not followed up. */
  readonly perHost: number;
  /** Milliseconds for each try: connecting, redirects and the whole body. */
  readonly timeout: number;
  /** How often a URL is tried again after a timeout, a broken connection or an answer of 408, 429 or 5xx. */
  readonly retries: number;
  /** Milliseconds before the first retry; twice as many before each further one, up to 30 seconds. */
  readonly backoff: number;
  /** A body of more bytes, counted after decompression, is given up. */
  readonly maxBytes: number;
  /** Called as each URL is done, in the order in which they are. */
  readonly onResult?: ((result: FetchResult) => void) | undefined;
}

export interface FetchResult {
  readonly url: string;
  /** Of the last answer; undefined if there was none. */
  readonly status: number | undefined;
  /** Size of the body; undefined if it was not read to its end. */
  readonly bytes: number | undefined;
  readonly tries: number;
  /** Milliseconds of all tries and the pauses between them, without waiting for the limits. */
  readonly ms: number;
  /** Why the URL was not fetched; undefined if it was. */
  readonly error: string | undefined;
}

export const defaults: FetchOptions = {
  total: 20,
  perHost: 6,
  timeout: 10_000,
  retries: 2,
  backoff: 250,
  maxBytes: 10_000_000,
};

const longestPause = 30_000;

/**
 * Fetches all URLs and gives the results in their order. A URL that cannot be fetched is a result, not an error.
 * @throws TypeError if one is no URL, UsageError if a limit or a time makes no sense; nothing was fetched then.
 */
export const fetchAll: (
  urls: readonly string[],
  options?: Partial<FetchOptions>,
) => Operation<readonly FetchResult[]> = operation(function* fetchAll(urls, options = {}) {
  const settings = { ...defaults, ...options };
  const limits = new Limits(settings);
  return yield* map(
    urls.map((url) => new URL(url)),
    function* (url) {
      const result = yield* fetchWithRetries(url, limits, settings);
      settings.onResult?.(result);
      return result;
    },
  );
});

const fetchWithRetries = operation(function* fetchWithRetries(
  url: URL,
  limits: Limits,
  settings: FetchOptions,
) {
  let ms = 0;
  for (let tries = 1; ; tries++) {
    const attempt = yield* tryOnce(url, limits, settings);
    ms += attempt.ms;
    if (!(attempt.isTransient && tries <= settings.retries)) {
      const { status, bytes, error } = attempt;
      return { url: url.href, status, bytes, tries, ms, error };
    }
    const pause = Math.min(settings.backoff * 2 ** (tries - 1), longestPause);
    yield* sleep(pause);
    ms += pause;
  }
});

class Limits {
  readonly total: CapacityLimiter;
  private readonly perHost: number;
  private readonly hosts = new Map<string, CapacityLimiter>();

  constructor({ total, perHost }: FetchOptions) {
    // A limiter of no tokens is allowed, and would wait for ever.
    if (!(total >= 1 && perHost >= 1)) {
      throw new UsageError(
        `Limits of ${total} in all and ${perHost} for a host allow nothing. Give 1 or more.`,
      );
    }
    this.total = new CapacityLimiter(total);
    this.perHost = perHost;
  }

  of(host: string): CapacityLimiter {
    const limiter = this.hosts.get(host) ?? new CapacityLimiter(this.perHost);
    this.hosts.set(host, limiter);
    return limiter;
  }
}

interface Outcome extends Pick<FetchResult, "status" | "bytes" | "error"> {
  /** Whether another try may end differently. */
  readonly isTransient: boolean;
}

const tryOnce = operation(function* tryOnce(url: URL, limits: Limits, settings: FetchOptions) {
  // The host first: who waits for a busy host must not keep a place that another host could use.
  using _host = yield* limits.of(url.host).acquire();
  using _place = yield* limits.total.acquire();
  const started = now();
  const outcome = yield* outcomeOf(url, settings);
  return { ...outcome, ms: now() - started };
});

function* outcomeOf(url: URL, { timeout, maxBytes }: FetchOptions): Coroutine<Outcome> {
  try {
    return yield* failAfter(
      timeout,
      fromPromise((signal) => download(url, maxBytes, signal)),
    );
  } catch (error) {
    // Only these are about the URL; anything else, such as a cancellation, is not ours to report as a result.
    if (error instanceof TimeoutError) return noAnswer(`no complete answer within ${timeout} ms`);
    if (error instanceof TypeError) return noAnswer(causeOf(error));
    throw error;
  }
}

function noAnswer(error: string): Outcome {
  return { status: undefined, bytes: undefined, error, isTransient: true };
}

/** Plain fetch, as anybody writes it. The signal covers the body too: it arrives after the answer's head. */
async function download(url: URL, maxBytes: number, signal: AbortSignal): Promise<Outcome> {
  const { status, ok, body } = await fetch(url, { signal, redirect: "follow" });
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes <= maxBytes) continue;
    return {
      status,
      bytes: undefined,
      error: `the body has more than ${maxBytes} bytes`,
      isTransient: false,
    };
  }
  if (ok) return { status, bytes, error: undefined, isTransient: false };
  const isTransient = status === 408 || status === 429 || status >= 500;
  return { status, bytes, error: `the server answered ${status}`, isTransient };
}

/** What fetch throws for a broken connection says no more than "fetch failed"; its cause says why. */
function causeOf({ message, cause }: TypeError): string {
  if (!(cause instanceof Error)) return message;
  return cause.message === "" ? String((cause as NodeJS.ErrnoException).code) : cause.message.trim();
}
