/**
 * What TLS can be told, and the runtime's TLS sockets that are made of it.
 *
 * Invariant: keys and certificates are read once for each options object; what cannot be used is told before anything is
 * sent.
 */
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import {
  connect,
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  TLSSocket,
} from "node:tls";
import { UsageError } from "@anyloop/core";
import { TlsEngine } from "./tls-engine.ts";
import { TlsError } from "./tls-error.ts";

/** Keys, certificates and what else `tls.createSecureContext` takes, and: */
interface TlsOptions extends SecureContextOptions {
  /** Names of the protocols to speak over TLS, best first (ALPN): `["h2", "http/1.1"]`. */
  readonly alpn?: readonly string[] | undefined;
  /**
   * Whether the end of the stream must be said in TLS (default): then a connection that is cut is told from one that was
   * ended, by a BrokenResourceError. Some protocols (HTTP) know themselves, and their servers leave it out: `false`.
   */
  readonly standardCompatible?: boolean | undefined;
}

export interface TlsClientOptions extends TlsOptions {
  /** The name that the server's certificate must have; sent to the server too. Needed unless `verify` is false. */
  readonly hostname?: string | undefined;
  /** `false` takes any certificate: the connection is secret, but nobody knows with whom. */
  readonly verify?: boolean | undefined;
}

/** A server needs `key` and `cert`, or `pfx`. It asks its clients for no certificate. */
export type TlsServerOptions = TlsOptions;

/** Reading keys and certificates takes longer than all else: once for each options object. */
const contexts = new WeakMap<object, SecureContext>();

function contextOf(options: TlsOptions): SecureContext {
  let context = contexts.get(options);
  if (context === undefined) {
    context = createSecureContext(options);
    contexts.set(options, context);
  }
  return context;
}

function clientSocket(options: TlsClientOptions): (wire: Duplex) => TLSSocket {
  const { hostname, alpn, verify = true } = options;
  // Hosts would take it for "localhost".
  if (verify && hostname === undefined) {
    throw new UsageError(
      "Whose certificate is it to be? Give the server's name as hostname, or verify: false.",
    );
  }
  const secureContext = contextOf(options);
  return (wire) =>
    connect({
      // Deno knows no secure contexts, and takes keys and certificates from here.
      ...options,
      secureContext,
      socket: wire,
      // What is checked, and what is sent; an address cannot be sent.
      host: hostname,
      servername: hostname === undefined || isIP(hostname) !== 0 ? undefined : hostname,
      ALPNProtocols: alpn === undefined ? undefined : [...alpn],
      rejectUnauthorized: verify,
    });
}

/** Whether a server can begin. @throws TlsError for what cannot be used; UsageError without a certificate. */
export function checkServerOptions(options: TlsServerOptions): void {
  if (options.cert === undefined && options.pfx === undefined) {
    throw new UsageError("A server of TLS needs a certificate. Give key and cert, or pfx.");
  }
  usable(() => contextOf(options));
}

function usable<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw error instanceof UsageError ? error : new TlsError("The TLS options cannot be used", error);
  }
}

function serverSocket(options: TlsServerOptions): (wire: Duplex) => TLSSocket {
  checkServerOptions(options);
  const secureContext = contextOf(options);
  const { alpn } = options;
  return (wire) =>
    new TLSSocket(wire, {
      ...options,
      isServer: true,
      secureContext,
      ALPNProtocols: alpn === undefined ? undefined : [...alpn],
    });
}

/** Of either side. */
export type WrapOptions =
  | ({ readonly serverSide?: false | undefined } & TlsClientOptions)
  | ({ readonly serverSide: true } & TlsServerOptions);

/** Makes the engine of one side. @throws TlsError for what cannot be used; UsageError for a server without certificate. */
export function openEngine(options: WrapOptions): TlsEngine {
  return usable(() =>
    options.serverSide === true
      ? new TlsEngine(serverSocket(options), "secure")
      : new TlsEngine(clientSocket(options), "secureConnect"),
  );
}
