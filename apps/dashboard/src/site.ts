/**
 * What the browser is given: the page, and the board as it changes, as server-sent events.
 *
 * Invariant: every event holds the whole board, so one that connects, or connects again, needs nothing of before; and none
 * comes sooner than the pause after the last, so a busy board costs a bounded amount.
 */
import { type Coroutine, moveOnAfter, operation, race, sleep } from "anyloop";
import { inspect, type TaskReport } from "anyloop/lowlevel";
import { encodeEvent } from "@anyloop/http";
import { Application, type ServerRequest, ServerResponse, type Write } from "@anyloop/http/server";
import type { Board } from "./board.ts";
import type { BoardView, TaskView } from "./view.ts";

/** Milliseconds between two events, at least. */
const pause = 100;
/** Milliseconds after which a board that has not changed is sent again: the page then knows that we are still there. */
const heartbeat = 5_000;
/** Milliseconds that a browser waits before it connects again. */
const retry = 1_000;

function taskView({ id, name, waitingFor, children }: TaskReport): TaskView {
  return { id, name, waitingFor, children: children.map(taskView) };
}

function boardView(board: Board): BoardView {
  const { sources, inFlight } = board;
  return { sources, inFlight, tasks: taskView(inspect()) };
}

const sendBoard = operation(function* sendBoard(
  write: Write,
  board: Board,
  stopping: ServerRequest["stopping"],
): Coroutine<void> {
  while (!stopping.isSet) {
    const change = board.change();
    yield* write(encodeEvent({ event: "board", data: JSON.stringify(boardView(board)), retry }));
    yield* sleep(pause);
    yield* moveOnAfter(heartbeat, race([change, stopping.wait()]));
  }
});

/** `page` is the folder that the page was built into. */
export function site(board: Board, page: string): Application {
  return new Application()
    .get("/board", () => ServerResponse.json(boardView(board)))
    .get(
      "/events",
      ({ stopping }) =>
        ServerResponse.stream((write) => sendBoard(write, board, stopping), {
          headers: { "content-type": "text/event-stream", "cache-control": "no-store" },
        }),
      { cancelOnDisconnect: true },
    )
    .static("", page);
}
