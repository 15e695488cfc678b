/** The same fetch on each of several backends, measured, so that they can be laid side by side. */
import { now, type Operation, operation, run } from "anyloop";
import { type BackendName, makeBackend } from "./backends.ts";
import { fetchAll, type FetchOptions, type FetchResult } from "./fetch-all.ts";
import { showing } from "./progress.ts";

/** What one backend did. */
export interface BackendRun {
  readonly backend: BackendName;
  /** Milliseconds from the first request to the last result. */
  readonly ms: number;
  /** Milliseconds that the URLs would have taken one after the other: the sum of what each took. */
  readonly sequentialMs: number;
  /** Requests under way at once at most, as the server saw it; undefined if it is not ours to ask. */
  readonly peakInFlight: number | undefined;
  readonly results: readonly FetchResult[];
}

export type Measured = Omit<BackendRun, "backend">;

/** Runs the work on one backend after the other. */
export async function onEach(
  backends: readonly BackendName[],
  work: () => Operation<Measured>,
  signal: AbortSignal,
): Promise<readonly BackendRun[]> {
  const runs: BackendRun[] = [];
  for (const backend of backends) {
    runs.push({ backend, ...(await run(work(), { backend: makeBackend(backend), signal })) });
  }
  return runs;
}

export const fetchMeasured: (
  urls: readonly string[],
  options: Omit<FetchOptions, "onResult" | "onTransfer">,
) => Operation<Measured> = operation(function* fetchMeasured(urls, options) {
  const started = now();
  const results = yield* showing(urls.length, (progress) =>
    fetchAll(urls, { ...options, onResult: progress?.add, onTransfer: progress?.begin }),
  );
  const sequentialMs = results.reduce((sum, { ms }) => sum + ms, 0);
  return { ms: now() - started, sequentialMs, peakInFlight: undefined, results };
});

/**
 * Whether every URL ended the same way in all runs. How many tries it took and how long is the network's doing, not the
 * backend's.
 */
export function doAgree(runs: readonly BackendRun[]): boolean {
  const ends = runs.map(({ results }) =>
    JSON.stringify(results.map(({ url, status, bytes, error }) => [url, status, bytes, error])),
  );
  return new Set(ends).size <= 1;
}
