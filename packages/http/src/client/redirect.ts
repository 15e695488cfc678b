/**
 * Redirects.
 *
 * Invariant: what was meant for one origin is not told to another: credentials, cookies and their header fields stay
 * behind; and what began over TLS does not go on without.
 */
import type { Coroutine } from "@anyloop/core";
import { isReplayable } from "./body.ts";
import { RedirectError } from "./errors.ts";
import type { Send } from "./middleware.ts";
import type { ClientRequest } from "./request.ts";
import type { ClientResponse } from "./response.ts";
import { tell } from "./trace.ts";

const redirects = new Set([301, 302, 303, 307, 308]);
const secrets = ["authorization", "cookie", "proxy-authorization"];
const aboutBody = [
  "content-type",
  "content-length",
  "content-encoding",
  "content-language",
  "content-location",
];

export function* redirecting(first: ClientRequest, next: Send): Coroutine<ClientResponse> {
  let request = first;
  let history: ClientResponse[] | undefined;
  for (;;) {
    const response = yield* next(request);
    if (history !== undefined) response.history = history;
    const { maxRedirects } = request.settings;
    if (!redirects.has(response.status) || maxRedirects === 0) return response;
    const location = response.headers.get("location");
    if (location === undefined) return response;
    yield* response.close();
    if ((history?.length ?? 0) >= maxRedirects) {
      throw new RedirectError(`More than ${String(maxRedirects)} redirects, perhaps in a circle`, {
        url: response.url,
        location,
      });
    }
    request = redirected(request, response, location);
    (history ??= []).push(response);
    tell(request.settings.trace, "redirected", { method: first.method, url: response.url }, request.url);
  }
}

function redirected(
  request: ClientRequest,
  { status, url }: ClientResponse,
  location: string,
): ClientRequest {
  const refuse = (why: string): never => {
    throw new RedirectError(why, { url, location });
  };
  if (!URL.canParse(location, url)) return refuse("A redirect to what is no URL");
  const target = new URL(location, url);
  if (target.protocol !== "https:" && target.protocol !== "http:")
    return refuse("A redirect to what is not HTTP");
  const isDowngrade = target.protocol === "http:" && request.target.protocol === "https:";
  if (isDowngrade && !request.settings.allowInsecureRedirects) {
    return refuse("A redirect from https to http. If that is right, set allowInsecureRedirects");
  }
  const isCrossing = target.origin !== request.target.origin;
  const isRewritten = becomesGet(request.method, status);
  if (!isRewritten && !isReplayable(request.encoded.content)) {
    return refuse("A redirect asks for the body again, which was a stream and is gone");
  }
  const changed = request.with({
    url: target,
    method: isRewritten ? "GET" : undefined,
    body: isRewritten ? null : undefined,
    auth: isCrossing ? null : undefined,
  });
  for (const name of isCrossing ? secrets : []) changed.headers.delete(name);
  changed.headers.delete("host");
  for (const name of isRewritten ? aboutBody : []) changed.headers.delete(name);
  return changed;
}

/** As browsers do it, and the Fetch standard says. */
function becomesGet(method: string, status: number): boolean {
  if (status === 303) return method !== "GET" && method !== "HEAD";
  return (status === 301 || status === 302) && method === "POST";
}
