/** The program itself: the sources, what asks them, and the site, in one group. */
import { type Coroutine, operation, type Operation, type TaskGroup, taskGroup, use } from "anyloop";
import { ClientSession } from "@anyloop/http";
import { serve, type Serving } from "@anyloop/http/server";
import { Board } from "./board.ts";
import { bundledNames, bundledSources } from "./bundled-sources.ts";
import { site } from "./site.ts";
import type { Source } from "./source.ts";
import { type WatchOptions, watchSources } from "./watch.ts";

export interface DashboardOptions extends WatchOptions {
  readonly host: string;
  readonly port: number;
  /** Bundled ones if there are none. */
  readonly sources: readonly Source[] | undefined;
  /** Of the bundled sources. */
  readonly seed: number;
  /** The folder that the page was built into. */
  readonly page: string;
}

export interface Running {
  /** Where the page is. */
  readonly url: string;
  /** Where the bundled sources are, if they are used. */
  readonly sourcesUrl: string | undefined;
  readonly sources: readonly Source[];
}

function* startBundled(group: TaskGroup, seed: number): Coroutine<string> {
  const options = { host: "127.0.0.1", shutdownTime: 0 };
  const { url } = yield* group.start<Serving>((status) => serve(bundledSources(seed), options, status), {
    name: "bundled sources",
  });
  return url;
}

const run = operation(function* dashboard(
  options: DashboardOptions,
  whenRunning: (running: Running, group: TaskGroup) => void,
): Coroutine<void> {
  yield* taskGroup(function* (group) {
    const { host, port, page, seed } = options;
    const sourcesUrl = options.sources === undefined ? yield* startBundled(group, seed) : undefined;
    const sources =
      options.sources ??
      bundledNames.map((name): Source => ({ name, url: `${sourcesUrl}/prices/${name}`, path: ["price"] }));
    const board = new Board(sources.map(({ name }) => name));
    const listening = { host, port, shutdownTime: 1_000 };
    const { url } = yield* group.start<Serving>((status) => serve(site(board, page), listening, status), {
      name: "site",
    });
    whenRunning({ url, sourcesUrl, sources }, group);
    yield* use(new ClientSession(), (session) => watchSources(board, sources, session, options));
  });
});

/**
 * Runs until it is cancelled. `whenRunning` is called once the page can be opened; what it starts in the group ends with it.
 * @throws BindError if the port is taken.
 */
export function dashboard(
  options: DashboardOptions,
  whenRunning: (running: Running, group: TaskGroup) => void,
): Operation<void> {
  return run(options, whenRunning);
}
