/**
 * The bundled site: pages that are made of their number, so that everybody knows what is to be counted.
 *
 * Every page is reached from the first; one link leads nowhere.
 */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { type Coroutine, fromPromise, operation, type Operation, shield } from "anyloop";

const vocabulary = (
  "loop task scope cancel stream queue lock event timer thread worker broker message deliver acknowledge again " +
  "wait wake begin end open close send receive parent child group shield deadline error cause value order once"
).split(" ");

/** Milliseconds that the server takes for a page, as servers do. */
const latency = 10;
/** The page with the link that leads nowhere. */
const forgetful = 5;

/** The words of a page, in order. */
export function wordsOf(page: number): string[] {
  const length = 60 + ((page * 37) % 80);
  return Array.from(
    { length },
    (_, index) => vocabulary[(page * 7 + index * (1 + (page % 5))) % vocabulary.length] ?? "",
  );
}

function linksOf(page: number, pages: number): number[] {
  const links = [2 * page + 1, 2 * page + 2, Math.floor(page / 3), (page * 5) % pages].filter(
    (link) => link < pages,
  );
  return page === forgetful ? [...links, pages + 1] : links;
}

function htmlOf(page: number, pages: number): string {
  const links = linksOf(page, pages).map((link) => `<li><a href="/${String(link)}"></a></li>`);
  return `<!doctype html><html><head><style>p { color: inherit }</style></head><body><p>${wordsOf(page).join(" ")}</p><ul>${links.join("")}</ul></body></html>`;
}

/** A site that is being served. */
export interface Site {
  /** Its first page. */
  readonly start: string;
  close(): Operation<void>;
}

/** Serves so many pages on a free port of this machine. */
export const openSite = operation(function* openSite(pages: number): Coroutine<Site> {
  const server = createServer((request, response) => {
    const page = Number(request.url?.slice(1));
    void delay(latency).then(() => {
      const isThere = Number.isInteger(page) && page >= 0 && page < pages;
      response.writeHead(isThere ? 200 : 404, { "content-type": "text/html; charset=utf-8" });
      response.end(isThere ? htmlOf(page, pages) : "<!doctype html><p>There is no such page.</p>");
    });
  });
  yield* fromPromise(
    new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(0, "127.0.0.1", resolve);
    }),
  );
  const closed = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return {
    start: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/0`,
    close: operation(function* closeSite() {
      yield* shield(fromPromise(closed()));
    }),
  };
});
