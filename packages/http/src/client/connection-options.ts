/** What a user can say of a session's connections. */
import type { TlsOptions } from "./connector.ts";
import type { ProxyOptions } from "./proxy.ts";

/** How a session connects. */
export interface ConnectionOptions {
  /** Most connections, to all hosts together. 100 if not given. */
  readonly maxConnections?: number | undefined;
  /** Most connections to one host (scheme, name and port). No limit of its own if not given. */
  readonly maxConnectionsPerHost?: number | undefined;
  /** Milliseconds for which an idle connection is kept, unless the server says less. 4 000 if not given. */
  readonly keepAlive?: number | undefined;
  /** Milliseconds for which the addresses of a host name are remembered; 0: not at all. 10 000 if not given. */
  readonly dnsCache?: number | undefined;
  /** Speaks HTTP/2 with servers that offer it over TLS. True if not given. */
  readonly http2?: boolean | undefined;
  readonly tls?: TlsOptions | undefined;
  /** Path of a Unix socket to which every connection goes, whatever host the URL names. */
  readonly socketPath?: string | undefined;
  /** URL of a proxy; "environment" (if not given) goes by `http_proxy`, `https_proxy`, `no_proxy`; false: none. */
  readonly proxy?: ProxyOptions | undefined;
  /** Most bytes of header fields that a server may send. 16 384 if not given. */
  readonly maxHeaderBytes?: number | undefined;
}
