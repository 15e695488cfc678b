/**
 * The demo: the same fetch from the same faulty server on both backends.
 *
 * Invariant: each backend has a server of its own, so the second finds no open connections and no page already visited.
 */
import { operation, run, use } from "anyloop";
import { bothBackends } from "./backends.ts";
import { type DemoServer, openDemoServer } from "./demo-server.ts";
import { fetchAll, type FetchOptions } from "./fetch-all.ts";
import { type BackendRun, fetchMeasured, onEach } from "./fetch-on.ts";

const demoOptions: FetchOptions = {
  total: 12,
  perHost: 8,
  timeout: 400,
  retries: 1,
  backoff: 50,
  maxBytes: 100_000,
};

export const demoTitle = `The function of src/fetch-all.ts, the same on both backends, fetches from a faulty server on this machine:
at most ${demoOptions.perHost} requests at a time to one host, ${demoOptions.timeout} ms for a try, ${demoOptions.retries} retry, bodies up to ${demoOptions.maxBytes} bytes.
`;

export async function demo(signal: AbortSignal): Promise<readonly BackendRun[]> {
  // The first fetch of a process loads the host's client, and either backend would be charged for it.
  await run(use(openDemoServer(), fetchOnePage), { signal });
  return await onEach(bothBackends, () => use(openDemoServer(), fetchEveryPage), signal);
}

const fetchOnePage = operation(function* fetchOnePage({ urls }: DemoServer) {
  yield* fetchAll(urls.slice(0, 1), demoOptions);
});

const fetchEveryPage = operation(function* fetchEveryPage(server: DemoServer) {
  const measured = yield* fetchMeasured(server.urls, demoOptions);
  // The port is another one each time.
  const results = measured.results.map((result) => ({ ...result, url: new URL(result.url).pathname }));
  return { ...measured, results, peakInFlight: server.peakInFlight };
});
