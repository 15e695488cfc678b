/** Where a request goes: a URL, taken apart once. Programs ask for the same few URLs again and again, so these are kept. */
import { UsageError } from "@anyloop/core";

export interface Target {
  /** Without user name, password and fragment. */
  readonly href: string;
  readonly origin: string;
  readonly protocol: "http:" | "https:";
  /** Host and port, as in the `host` field. */
  readonly host: string;
  readonly hostname: string;
  /** Path and query. */
  readonly path: string;
  /** From `https://user:password@host`. */
  readonly credentials: { readonly username: string; readonly password: string } | undefined;
}

/** Values of a query. A list makes one `name=value` each; `undefined` is left out. */
export type QueryInit =
  | URLSearchParams
  | Readonly<Record<string, string | number | boolean | undefined | readonly (string | number | boolean)[]>>;

// oxlint-disable-next-line no-control-regex -- the URL standard drops tabs and line breaks silently, which hides injections
const control = /[\u0000-\u001f\u007f]/;
const mostKept = 512;

export class Targets {
  private readonly base: URL | undefined;
  private readonly kept = new Map<string, Target>();

  constructor(base: string | URL | undefined) {
    this.base = base === undefined ? undefined : parse(base, undefined);
  }

  /** @throws UsageError for what is no http or https URL, or has a control character in it. */
  find(url: string | URL, query?: QueryInit): Target {
    if (typeof url !== "string" || query !== undefined)
      return targetOf(withQuery(parse(url, this.base), query));
    const known = this.kept.get(url);
    if (known !== undefined) return known;
    const target = targetOf(parse(url, this.base));
    if (this.kept.size >= mostKept) this.kept.clear();
    this.kept.set(url, target);
    return target;
  }

  /** The URL that is meant, for whoever opens connections of other kinds. */
  resolve(url: string | URL): URL {
    return parse(url, this.base);
  }
}

function parse(url: string | URL, base: URL | undefined): URL {
  if (typeof url === "string" && control.test(url)) {
    throw new UsageError(
      `The URL ${JSON.stringify(url)} has a control character in it. Encode it (encodeURIComponent).`,
    );
  }
  try {
    return new URL(url, base);
  } catch {
    throw new UsageError(
      `${JSON.stringify(String(url))} is no URL${base === undefined ? ". Write it whole, with https://, or give the session a baseUrl." : ` under ${base.href}.`}`,
    );
  }
}

function withQuery(url: URL, query: QueryInit | undefined): URL {
  if (query === undefined) return url;
  const extended = new URL(url);
  const pairs = query instanceof URLSearchParams ? query : Object.entries(query);
  for (const [name, value] of pairs) {
    if (value === undefined) continue;
    for (const each of Array.isArray(value) ? (value as readonly unknown[]) : [value]) {
      extended.searchParams.append(name, String(each));
    }
  }
  return extended;
}

export function targetOf(url: URL): Target {
  const { protocol, username, password } = url;
  if (protocol !== "http:" && protocol !== "https:") {
    throw new UsageError(`${url.href} is neither http nor https.`);
  }
  const credentials =
    username === "" && password === ""
      ? undefined
      : { username: decoded(username), password: decoded(password) };
  const path = url.pathname + url.search;
  return {
    href: url.origin + path,
    origin: url.origin,
    protocol,
    host: url.host,
    hostname: url.hostname,
    path,
    credentials,
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A percent sign that means itself.
    return text;
  }
}
