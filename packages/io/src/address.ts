/** Where an end of a connection is. */
import type { AddressInfo } from "node:net";

/** An end of a TCP or UDP connection. */
export interface InternetAddress {
  /** An IP address, not a name. */
  readonly host: string;
  readonly port: number;
  readonly family: 4 | 6;
}

/** As a URL has it: `127.0.0.1:80`, `[::1]:80`. */
export function showAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** What the runtime says about a socket. Runtimes do not agree on how they write the family. */
export function internetAddress({ address, port }: Pick<AddressInfo, "address" | "port">): InternetAddress {
  return { host: address, port, family: address.includes(":") ? 6 : 4 };
}
