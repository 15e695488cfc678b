/**
 * The Fetch standard's `Request` and `Response`, in both directions.
 *
 * They are views, made when somebody asks for them: code that was written for the standard runs here, and code that was
 * not does not pay for it. Invariant: a body is read by one side only, piece by piece, as fast as the other side takes it.
 */
import { type Coroutine, fromPromise, UsageError } from "@anyloop/core";
import { HttpError } from "./http-error.ts";
import type { Incoming } from "./incoming.ts";
import { tooLong } from "./request-body.ts";
import type { ServerRequest } from "./request.ts";
import { ServerResponse } from "./response.ts";

/** A handler of the Fetch standard, such as the `fetch` of a Hono app. */
export type FetchHandler = (request: Request) => Response | PromiseLike<Response>;

/** `path` is what the request's path is to be instead of its own. */
export function fetchRequest(request: ServerRequest<unknown>, limit: number, path = request.path): Request {
  const { method, raw, target } = request;
  const query = target.indexOf("?");
  const url = `${request.origin}${path}${query < 0 ? "" : target.slice(query)}`;
  // Which the standard has no room for: what is asked is wrong, not the server.
  if (method === "TRACE") throw new HttpError(405);
  if (!URL.canParse(url)) throw new HttpError(400, "The Host field is no name or address.");
  const headers = new Headers();
  for (let index = 0; index < raw.rawHeaders.length; index += 2) {
    headers.append(raw.rawHeaders[index] as string, raw.rawHeaders[index + 1] as string);
  }
  const { signal } = request;
  if (method === "GET" || method === "HEAD") return new Request(url, { method, headers, signal });
  if (Number(headers.get("content-length") ?? 0) > limit) throw tooLong(limit);
  const body = new ReadableStream<Uint8Array>(new BodySource(request, raw, limit));
  return new Request(url, { method, headers, signal, body, duplex: "half" } as RequestInit);
}

/** A request's body for code that is no task. */
class BodySource implements UnderlyingDefaultSource<Uint8Array> {
  private readonly request: ServerRequest<unknown>;
  private readonly incoming: Incoming;
  private readonly limit: number;
  private received = 0;

  constructor(request: ServerRequest<unknown>, incoming: Incoming, limit: number) {
    this.request = request;
    this.incoming = incoming;
    this.limit = limit;
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.request.askForBody();
    const piece = await this.next();
    if (piece === undefined) {
      controller.close();
      return;
    }
    this.received += piece.length;
    if (this.received > this.limit) throw tooLong(this.limit);
    controller.enqueue(piece);
  }

  cancel(): void {
    this.incoming.discard();
  }

  private next(): Promise<Uint8Array | undefined> {
    const { incoming } = this;
    return new Promise((resolve, reject) => {
      incoming.readPiece({ onPiece: resolve, onBroken: reject });
    });
  }
}

/** A response of the Fetch standard, as we send it. */
export function responseFromFetch(response: Response): ServerResponse {
  if (response.status === 0)
    throw new UsageError("The handler answered with Response.error(), which cannot be sent.");
  return new ServerResponse(response.body ?? undefined, {
    status: response.status,
    headers: response.headers as Iterable<readonly [string, string]>,
  });
}

/** What stands behind the first `count` segments of a path. */
function behind(path: string, count: number): string {
  let from = 0;
  for (let index = 0; index < count && from >= 0; index++) from = path.indexOf("/", from + 1);
  return from < 0 ? "/" : path.slice(from);
}

/** A handler of the Fetch standard as one of ours, for requests below a pattern. */
export function fetchHandler(
  pattern: string,
  handler: FetchHandler,
): (request: ServerRequest<never>) => Coroutine<Response> {
  const count = pattern.split("/").length - 1;
  return function* fetchHandler(request) {
    const view = request.toFetch(behind(request.path, count));
    return yield* fromPromise(async () => await handler(view));
  };
}
