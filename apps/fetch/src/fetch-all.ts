/**
 * The library: fetches many URLs at once, within limits. It names no loop, so the same function runs on every backend.
 *
 * Invariant: no more requests are under way than the limits allow, and none is left when it ends, however it ends.
 */
import { CapacityLimiter, map, now, type Operation, operation, sleep, UsageError, use } from "anyloop";
import { ClientSession } from "@anyloop/http";
import { download, type Transfer } from "./download.ts";
import type { Target } from "./part-file.ts";

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
  /** Where the bodies are saved, one for each URL. They are only counted if this is undefined. */
  readonly targets?: readonly Target[] | undefined;
  /** Called as each try begins; what it gives is told how the body comes. */
  readonly onTransfer?: ((url: string) => Transfer) | undefined;
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
  /** Of a body that was saved, in hexadecimal. */
  readonly sha256: string | undefined;
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
  const hrefs = urls.map((url) => new URL(url).href);
  const { total, perHost } = settings;
  const session = new ClientSession({
    maxConnections: total,
    maxConnectionsPerHost: perHost,
    cookies: false,
  });
  return yield* use(session, () =>
    map(hrefs, function* (url, index) {
      const work = { session, url, target: settings.targets?.[index] };
      const result = yield* fetchWithRetries(work, limits, settings);
      settings.onResult?.(result);
      return result;
    }),
  );
});

interface Work {
  readonly session: ClientSession;
  readonly url: string;
  readonly target: Target | undefined;
}

const fetchWithRetries = operation(function* fetchWithRetries(
  work: Work,
  limits: Limits,
  settings: FetchOptions,
) {
  let ms = 0;
  for (let tries = 1; ; tries++) {
    const attempt = yield* tryOnce(work, limits, settings);
    ms += attempt.ms;
    if (!(attempt.isTransient && tries <= settings.retries)) {
      const { status, bytes, sha256, error } = attempt;
      return { url: work.url, status, bytes, sha256, tries, ms, error };
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

const tryOnce = operation(function* tryOnce(work: Work, limits: Limits, settings: FetchOptions) {
  // The host first: who waits for a busy host must not keep a place that another host could use.
  using _host = yield* limits.of(new URL(work.url).host).acquire();
  using _place = yield* limits.total.acquire();
  const started = now();
  const transfer = settings.onTransfer?.(work.url);
  const outcome = yield* download(work.session, work.url, work.target, transfer, settings);
  return { ...outcome, ms: now() - started };
});
