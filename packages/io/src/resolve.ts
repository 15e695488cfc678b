/** Names of hosts, as the system resolves them. */
import { lookup, type LookupAddress } from "node:dns";
import { isIP } from "node:net";
import { type Operation, UsageError } from "@anyloop/core";
import { suspendOnHost, type Waiter } from "@anyloop/core/lowlevel";
import { type InternetAddress, internetAddress } from "./address.ts";
import { ResolveError } from "./system-error.ts";

const highestPort = 65_535;

/** Hosts check them late, some in a callback in which nobody hears of it. */
function checkAddress(host: string, port: number): void {
  if (host === "") throw new UsageError("The host is empty. Give a name or an IP address.");
  if (Number.isInteger(port) && port >= 0 && port <= highestPort) return;
  // A text that looks like a number is none.
  const given = typeof port === "number" ? String(port) : JSON.stringify(port);
  throw new UsageError(`The port is ${given}. Give a whole number from 0 to ${String(highestPort)}.`);
}

/**
 * Looks up the addresses of a host, in the order in which they should be tried. An IP address is its own. Cancelled, it
 * stops waiting; the system's own look-up cannot be stopped.
 *
 * ```ts
 * import { resolve } from "@anyloop/io";
 *
 * console.log(await resolve("127.0.0.1", 80)); // [ { host: '127.0.0.1', port: 80, family: 4 } ]
 * ```
 *
 * @throws ResolveError if there is none; UsageError for a port that cannot be.
 */
export function resolve(host: string, port = 0): Operation<readonly InternetAddress[]> {
  checkAddress(host, port);
  return suspendOnHost((waiter: Waiter<readonly InternetAddress[]>) => {
    if (isIP(host) !== 0) {
      waiter.resume([internetAddress({ address: host, port })]);
      return undefined;
    }
    let isWanted = true;
    lookup(host, { all: true }, (error: Error | null, found: LookupAddress[]) => {
      if (!isWanted) return;
      if (error === null) waiter.resume(found.map(({ address }) => internetAddress({ address, port })));
      else waiter.fail(new ResolveError(`Looking up ${host} failed`, error));
    });
    return () => {
      isWanted = false;
      return true;
    };
  });
}
