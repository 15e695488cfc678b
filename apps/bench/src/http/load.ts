/**
 * The load: connections that are kept, each with one request under way, straight on sockets.
 *
 * Invariant: every response is looked at, its status and that all of its body came; a wrong one ends the contest.
 */
import { connect } from "node:net";

const headEnd = "\r\n\r\n";

function ask(port: number, request: Buffer, next: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let all = "";
    const go = (): void => {
      all = "";
      if (next()) socket.write(request);
      else socket.destroy();
    };
    socket.setNoDelay(true);
    socket.on("connect", go);
    socket.on("error", reject);
    socket.on("close", () => resolve());
    socket.on("data", (piece: Buffer) => {
      all += piece.toString("latin1");
      const end = all.indexOf(headEnd);
      if (end < 0) return;
      const length = /content-length: (\d+)/i.exec(all)?.[1];
      if (!all.startsWith("HTTP/1.1 200") || length === undefined) {
        socket.destroy(new Error(`A wrong answer: ${all}`));
      } else if (all.length >= end + headEnd.length + Number(length)) {
        go();
      }
    });
  });
}

/** Sends so many requests over so many connections. */
export async function load(
  port: number,
  request: Buffer,
  requests: number,
  connections: number,
): Promise<void> {
  let left = requests;
  await Promise.all(Array.from({ length: connections }, () => ask(port, request, () => left-- > 0)));
}
