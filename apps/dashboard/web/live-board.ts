/** The board as the server sends it, over a connection that the browser makes again when it breaks. */
import { useEffect, useState } from "preact/hooks";
import type { BoardView } from "../src/view.ts";

export interface LiveBoard {
  readonly board: BoardView | undefined;
  readonly isConnected: boolean;
}

export function useLiveBoard(url: string): LiveBoard {
  const [live, setLive] = useState<LiveBoard>({ board: undefined, isConnected: false });
  useEffect(() => {
    const events = new EventSource(url);
    events.addEventListener("board", ({ data }: MessageEvent<string>) => {
      setLive({ board: JSON.parse(data) as BoardView, isConnected: true });
    });
    events.addEventListener("error", () => setLive(({ board }) => ({ board, isConnected: false })));
    return () => events.close();
  }, [url]);
  return live;
}

/** Milliseconds since 1970, once in a while. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
