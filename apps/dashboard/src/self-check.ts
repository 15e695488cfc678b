/**
 * `--once`: looks at a running dashboard as a browser would, and says what it saw.
 *
 * Invariant: it looks at nothing but what the server sends.
 */
import { type Coroutine, failAfter, operation, type Operation, TimeoutError, use } from "anyloop";
import { ClientSession } from "@anyloop/http";
import type { BoardView, SourceView } from "./view.ts";

export interface Findings {
  /** Whether the page came, and looks like ours. */
  readonly page: boolean;
  /** Boards that came. */
  readonly events: number;
  /** The sources as the last board had them. */
  readonly sources: readonly SourceView[];
  /** Whether all is as it should be: the page is there, and every source was asked and had an outcome. */
  readonly ok: boolean;
}

const hasOutcome = ({ price, problem }: SourceView): boolean => price !== undefined || problem !== undefined;

const look = operation(function* selfCheck(
  session: ClientSession,
  state: { page: boolean; events: number; sources: readonly SourceView[] },
): Coroutine<void> {
  const response = yield* session.get("/");
  state.page = response.ok && (yield* response.text()).includes('<div id="dashboard">');
  const events = session.events("/events");
  yield* use(events, function* () {
    for (;;) {
      const { data } = yield* events.receive();
      state.events++;
      state.sources = (JSON.parse(data) as BoardView).sources;
      if (state.events > 1 && state.sources.every(hasOutcome)) return;
    }
  });
});

const check = operation(function* check(url: string, timeout: number): Coroutine<Findings> {
  const state = { page: false, events: 0, sources: [] as readonly SourceView[] };
  try {
    yield* failAfter(
      timeout,
      use(new ClientSession({ baseUrl: url }), (session) => look(session, state)),
    );
  } catch (error) {
    if (!(error instanceof TimeoutError)) throw error;
    return { ...state, ok: false };
  }
  return { ...state, ok: state.page };
});

/** Waits at most `timeout` milliseconds for every source to have had an outcome. */
export function selfCheck(url: string, timeout: number): Operation<Findings> {
  return check(url, timeout);
}
