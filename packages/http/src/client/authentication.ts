/**
 * Basic and digest authentication.
 *
 * Invariant: credentials are sent to the origin they were given for and to no other; a digest's password is not sent at
 * all. A challenge that answers our own answer is final.
 */
import { type Coroutine, UsageError } from "@anyloop/core";
import type * as Crypto from "node:crypto";
import { isReplayable } from "./body.ts";
import type { Layer, Send } from "./middleware.ts";
import type { ClientRequest } from "./request.ts";
import type { ClientResponse } from "./response.ts";

export interface Credentials {
  readonly scheme: "basic" | "digest";
  readonly username: string;
  readonly password: string;
}

interface Challenge {
  readonly realm: string;
  readonly nonce: string;
  readonly opaque: string | undefined;
  readonly algorithm: string;
  readonly qop: "auth" | undefined;
  count: number;
}

/** A session's memory of challenges, one for each origin: later requests then need no second trip. */
export class Authentication {
  private readonly challenges = new Map<string, Challenge>();

  readonly layer: Layer = (request, next) => {
    const credentials = credentialsOf(request);
    // A field set by hand is what the caller wants.
    if (credentials === undefined || request.headers.has("authorization")) return next(request);
    return credentials.scheme === "basic"
      ? next(authorized(request, basic(credentials)))
      : this.digest(request, next, credentials);
  };

  private *digest(request: ClientRequest, next: Send, credentials: Credentials): Coroutine<ClientResponse> {
    const { origin } = request.target;
    const known = this.challenges.get(origin);
    const first = known === undefined ? request : authorized(request, digest(request, credentials, known));
    const response = yield* next(first);
    if (response.status !== 401) return response;
    const challenge = challengeOf(response);
    if (challenge === undefined || !isReplayable(request.encoded.content)) return response;
    this.challenges.set(origin, challenge);
    yield* response.close();
    return yield* next(authorized(request, digest(request, credentials, challenge)));
  }
}

function credentialsOf({ auth, target }: ClientRequest): Credentials | undefined {
  if (auth !== undefined) return auth;
  return target.credentials === undefined ? undefined : { scheme: "basic", ...target.credentials };
}

function authorized(request: ClientRequest, value: string): ClientRequest {
  const copy = request.with({});
  copy.headers.set("authorization", value);
  return copy;
}

/** Value of the `authorization` field. */
export function basic({ username, password }: Credentials): string {
  if (username.includes(":"))
    throw new UsageError("A user name with a colon cannot be sent by basic authentication.");
  const bytes = new TextEncoder().encode(`${username}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

/** The best digest challenge of a 401, RFC 7616; undefined if it has none that is known here. */
function challengeOf(response: ClientResponse): Challenge | undefined {
  const found = response.headers
    .getAll("www-authenticate")
    .flatMap((value) => value.split(/(?:^|,\s*)(?=Digest\s)/i))
    .filter((value) => /^Digest\s/i.test(value))
    .map(parameters)
    .filter((values) => hashes.has((values.get("algorithm") ?? "MD5").toUpperCase().replace(/-SESS$/, "")));
  const best = found.find((values) => /^SHA/i.test(values.get("algorithm") ?? "")) ?? found[0];
  const nonce = best?.get("nonce");
  if (best === undefined || nonce === undefined) return undefined;
  const qops = best.get("qop")?.split(/\s*,\s*/);
  if (qops !== undefined && !qops.includes("auth")) return undefined;
  return {
    realm: best.get("realm") ?? "",
    nonce,
    opaque: best.get("opaque"),
    algorithm: best.get("algorithm") ?? "MD5",
    qop: qops === undefined ? undefined : "auth",
    count: 0,
  };
}

function parameters(challenge: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const [, name = "", quoted, bare] of challenge.matchAll(
    /(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/g,
  )) {
    values.set(name.toLowerCase(), quoted === undefined ? (bare ?? "") : quoted.replaceAll(/\\(.)/g, "$1"));
  }
  return values;
}

const hashes = new Map([
  ["MD5", "md5"],
  ["SHA-256", "sha256"],
  ["SHA-512-256", "sha512-256"],
]);

function digest(request: ClientRequest, credentials: Credentials, challenge: Challenge): string {
  const { realm, nonce, opaque, algorithm, qop } = challenge;
  const name = hashes.get(algorithm.toUpperCase().replace(/-SESS$/, "")) ?? "md5";
  const hash = hasher(name);
  const { username, password } = credentials;
  const { path } = request.target;
  const count = (++challenge.count).toString(16).padStart(8, "0");
  const own = globalThis.crypto.randomUUID().replaceAll("-", "");
  const isSession = /-sess$/i.test(algorithm);
  const user = hash(`${username}:${realm}:${password}`);
  const secret = isSession ? hash(`${user}:${nonce}:${own}`) : user;
  const what = hash(`${request.method}:${path}`);
  const response = hash(
    qop === undefined ? `${secret}:${nonce}:${what}` : `${secret}:${nonce}:${count}:${own}:${qop}:${what}`,
  );
  const fields = [
    `username="${escaped(username)}"`,
    `realm="${escaped(realm)}"`,
    `nonce="${escaped(nonce)}"`,
    `uri="${path}"`,
    `algorithm=${algorithm}`,
    `response="${response}"`,
    ...(opaque === undefined ? [] : [`opaque="${escaped(opaque)}"`]),
    ...(qop === undefined ? [] : [`qop=${qop}`, `nc=${count}`]),
    ...(qop === undefined && !isSession ? [] : [`cnonce="${own}"`]),
  ];
  return `Digest ${fields.join(", ")}`;
}

function escaped(text: string): string {
  return text.replaceAll(/["\\]/g, String.raw`\$&`);
}

interface WithBuiltins {
  process?: { getBuiltinModule?: (name: string) => unknown };
}

function hasher(name: string): (text: string) => string {
  const crypto = (globalThis as WithBuiltins).process?.getBuiltinModule?.("node:crypto") as
    | typeof Crypto
    | undefined;
  if (crypto === undefined)
    throw new UsageError("Digest authentication needs node:crypto, which is not here.");
  return (text) => crypto.createHash(name).update(text).digest("hex");
}
