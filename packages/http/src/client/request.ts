/** A request, as middleware sees it: before it is put on the wire, and again for every redirect and retry. */
import type { Credentials } from "./authentication.ts";
import { type BodyInit, type BodyOptions, type EncodedBody, encodeBody } from "./body.ts";
import { type HeadersInit, HttpHeaders } from "../headers.ts";
import type { RetryPolicy } from "./retry.ts";
import { type QueryInit, type Target, targetOf } from "./target.ts";
import type { Limits, TimeoutOptions } from "./timeouts.ts";
import type { Trace } from "./trace.ts";

export interface RequestOptions extends BodyOptions {
  /** Added to the session's; a field of the same name replaces it. */
  readonly headers?: HeadersInit | undefined;
  /** Added to the query of the URL. */
  readonly query?: QueryInit | undefined;
  /** Milliseconds for the whole, or limits by phase; those not given are the session's. */
  readonly timeout?: number | TimeoutOptions | undefined;
  /** Most bytes of a body; for `stream()` and `lines()` no limit if not given, else 64 MiB. */
  readonly maxBodyBytes?: number | undefined;
  /** How many redirects are followed; 0: none, they are answers like others. */
  readonly maxRedirects?: number | undefined;
  readonly auth?: Credentials | undefined;
  /** How often a request is tried again, or a policy. */
  readonly retry?: number | RetryPolicy | undefined;
  readonly trace?: Trace | undefined;
}

/** What holds for a request with all its redirects and retries. */
export interface Settings {
  readonly limits: Limits;
  /** On `performance.now()`. */
  readonly deadline: number;
  readonly maxBodyBytes: number | undefined;
  readonly maxRedirects: number;
  readonly allowInsecureRedirects: boolean;
  readonly decompress: boolean;
  readonly retry: RetryPolicy | undefined;
  readonly trace: Trace | undefined;
}

/** What can be changed of a request. */
export interface RequestChanges {
  readonly method?: string | undefined;
  readonly url?: string | URL | undefined;
  readonly headers?: HttpHeaders | undefined;
  /** `null` takes the body away. */
  readonly body?: BodyInit | null | undefined;
  readonly auth?: Credentials | null | undefined;
}

export class ClientRequest {
  readonly method: string;
  /** May be changed by middleware, before it calls `next`. */
  readonly headers: HttpHeaders;
  /** @internal */
  readonly target: Target;
  /** @internal */
  readonly encoded: EncodedBody;
  /** @internal */
  readonly settings: Settings;
  /** @internal */
  readonly auth: Credentials | undefined;

  /** @internal Made by a session. */
  constructor(
    method: string,
    target: Target,
    headers: HttpHeaders,
    encoded: EncodedBody,
    auth: Credentials | undefined,
    settings: Settings,
  ) {
    this.method = method;
    this.target = target;
    this.headers = headers;
    this.encoded = encoded;
    this.auth = auth;
    this.settings = settings;
  }

  /** Without user name, password and fragment. */
  get url(): string {
    return this.target.href;
  }

  /** A copy, with changes. */
  with(changes: RequestChanges): ClientRequest {
    const { body, url } = changes;
    const encoded = body === undefined ? this.encoded : encodeBody(body === null ? {} : { body });
    const auth = changes.auth === undefined ? this.auth : (changes.auth ?? undefined);
    return new ClientRequest(
      changes.method ?? this.method,
      url === undefined ? this.target : targetOf(new URL(url, this.url)),
      new HttpHeaders(changes.headers ?? this.headers),
      encoded,
      auth,
      this.settings,
    );
  }
}
