/**
 * What the parser lets pass in the head of a request, and we do not: what we and a proxy in front of us might read
 * differently is how one request is smuggled in another.
 */
import { HttpError } from "./http-error.ts";
import type { Limits } from "./limits.ts";
import type { ServerRequest } from "./request.ts";

/** A name or an address, and a port. With anything else in it, what we take for the path would be another's host. */
const hostPattern = /^(?:\[[\d.:a-f]+\]|[\w!$&'()*+,.;=~-]*)(?::\d{0,5})?$/i;

/** What is wrong with a head; undefined if nothing is. */
export function wrongHead({ raw, target }: ServerRequest, limits: Limits): HttpError | undefined {
  const { rawHeaders } = raw;
  if (target === "") return new HttpError(400, "The request's target is no path and no URL.");
  if (rawHeaders.length > 2 * limits.headerCount) {
    return new HttpError(431, `The request has more than ${String(limits.headerCount)} header fields.`);
  }
  let hosts = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string;
    if (name.length === 4 && name.toLowerCase() === "host") hosts++;
  }
  // Two hosts: one for the proxy that checked, another for us (RFC 9112, 3.2).
  if (hosts > 1) return new HttpError(400, "The request has more than one Host field.");
  const { host } = raw.headers;
  if (host !== undefined && !hostPattern.test(host)) {
    return new HttpError(400, "The Host field is no name or address.");
  }
  const coding = raw.headers["transfer-encoding"];
  if (coding !== undefined && coding.toLowerCase() !== "chunked") {
    return new HttpError(501, "Of the transfer codings only chunked is understood.");
  }
  return undefined;
}
