/**
 * Cookies, kept by tough-cookie. It is loaded when the first cookie comes, and nothing is looked up before: a session that
 * meets no cookies pays one look at each answer.
 */
import { type Coroutine, fromPromise } from "@anyloop/core";
import type { CookieJar } from "tough-cookie";
import type { ClientRequest } from "./request.ts";
import type { ClientResponse } from "./response.ts";

export class Cookies {
  private jar: CookieJar | undefined;

  constructor(jar: CookieJar | undefined) {
    this.jar = jar;
  }

  /** Value of the `cookie` field for a URL; undefined if there are none. */
  headerFor(url: string): string | undefined {
    const header = this.jar?.getCookieStringSync(url) ?? "";
    return header === "" ? undefined : header;
  }

  /** The request with the cookies that belong to it. */
  attach(request: ClientRequest): ClientRequest {
    const header = this.jar === undefined ? undefined : this.headerFor(request.url);
    if (header === undefined) return request;
    const copy = request.with({});
    const own = copy.headers.get("cookie");
    copy.headers.set("cookie", own === undefined ? header : `${own}; ${header}`);
    return copy;
  }

  /** Keeps what an answer sets. */
  *keep(response: ClientResponse): Coroutine<void> {
    if (this.jar === undefined) {
      const { CookieJar } = yield* fromPromise(import("tough-cookie"));
      this.jar ??= new CookieJar();
    }
    // A cookie that the server may not set, or that is none, is ignored, as browsers do.
    for (const cookie of response.headers.getAll("set-cookie")) {
      this.jar.setCookieSync(cookie, response.url, { ignoreError: true });
    }
  }
}
