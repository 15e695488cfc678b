/** Addresses in a memory network, and the errors that have one in them, shaped as the host's own. */
import { BrokenResourceError } from "@anyloop/core";

/** As `node:dns` gives them. */
export interface ResolvedAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** One end of a connection. */
export interface SocketAddress extends ResolvedAddress {
  readonly port: number;
}

export function familyOf(address: string): 4 | 6 {
  return address.includes(":") ? 6 : 4;
}

/** Whether a text is an address, not a name. */
export function isAddress(text: string): boolean {
  return /^\d+(\.\d+){3}$/.test(text) || text.includes(":");
}

/** What a system call fails with. */
interface SystemError extends Error {
  readonly code: string;
  readonly syscall: string;
}

export function systemError(code: string, syscall: string, details: object = {}): SystemError {
  return Object.assign(new Error(`${syscall} ${code}`), { code, syscall, ...details });
}

/** Something failed that the network, not the program, is to blame for. */
export function networkError(
  message: string,
  code: string,
  syscall: string,
  details?: object,
): BrokenResourceError {
  return new BrokenResourceError(message, { cause: systemError(code, syscall, details) });
}
