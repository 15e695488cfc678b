/**
 * Proxies: which one a request goes through, and the tunnel through it for https. Plain http asks the proxy itself, with
 * the whole URL, as every proxy allows; many allow tunnels to port 443 only.
 */
import type { Socket } from "node:net";
import { UsageError } from "@anyloop/core";
import { ConnectionFailed } from "./errors.ts";
import type { Target } from "./target.ts";

export interface Proxy {
  readonly url: URL;
  /** Value of `proxy-authorization`, if the URL has a user. */
  readonly authorization: string | undefined;
}

/** A URL; "environment"; false for none. */
export type ProxyOptions = string | URL | false;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Finds the proxy of a URL. "environment" reads `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, small or
 * capital, as curl does (`HTTP_PROXY` in capitals is set by web servers from a request's field, so it is left alone where
 * a program runs as CGI).
 */
export function proxyFinder(
  options: ProxyOptions,
  environment: Environment,
): (target: Target) => Proxy | undefined {
  if (options === false) return () => undefined;
  if (options !== "environment") {
    const proxy = proxyOf(options);
    return () => proxy;
  }
  const read = (name: string): string | undefined => {
    const isForged = name === "http_proxy" && environment["REQUEST_METHOD"] !== undefined;
    const value = environment[name] ?? (isForged ? undefined : environment[name.toUpperCase()]);
    return value === "" ? undefined : value;
  };
  const find = (scheme: string): Proxy | undefined => {
    const url = read(`${scheme}_proxy`) ?? read("all_proxy");
    return url === undefined ? undefined : proxyOf(url.includes("://") ? url : `http://${url}`);
  };
  const http = find("http");
  const https = find("https");
  if (http === undefined && https === undefined) return () => undefined;
  const exceptions = exceptionsOf(read("no_proxy") ?? "");
  return (target) => {
    if (exceptions(target)) return undefined;
    return target.protocol === "https:" ? https : http;
  };
}

function proxyOf(url: string | URL): Proxy {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    throw new UsageError(`The proxy ${JSON.stringify(String(url))} is no URL. Write http://host:port.`);
  }
  const { protocol, username, password } = parsed;
  if (protocol !== "http:" && protocol !== "https:") {
    throw new UsageError(
      `The proxy ${parsed.host} is reached by ${protocol}//. Only http:// and https:// are known.`,
    );
  }
  const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  parsed.username = "";
  parsed.password = "";
  return {
    url: parsed,
    authorization: username === "" ? undefined : `Basic ${Buffer.from(user).toString("base64")}`,
  };
}

/** `no_proxy`: host names, each with its subdomains, perhaps with a port; `*` is all. */
function exceptionsOf(list: string): (target: Target) => boolean {
  const entries = list
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .map((entry) => {
      const [, name = entry, port = ""] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? [];
      return { name: name.replace(/^\*?\./, "").toLowerCase(), port };
    });
  return ({ hostname, host, protocol }) => {
    const port = host.slice(hostname.length + 1) || (protocol === "https:" ? "443" : "80");
    return entries.some(
      (entry) =>
        (entry.port === "" || entry.port === port) &&
        (entry.name === "*" || hostname === entry.name || hostname.endsWith(`.${entry.name}`)),
    );
  };
}

/** Asks a proxy that is connected for a way through to `authority`. Calls back once; the socket is the caller's. */
export function openTunnel(
  socket: Socket,
  authority: string,
  authorization: string | undefined,
  done: (error: Error | undefined) => void,
): void {
  let head = "";
  const finish = (error: Error | undefined): void => {
    socket.off("data", onData).off("error", finish).off("close", onClose);
    done(error);
  };
  const onClose = (): void => finish(new Error("The proxy closed the connection."));
  const onData = (chunk: Uint8Array): void => {
    head += Buffer.from(chunk).toString("latin1");
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) {
      if (head.length > longestHead) finish(new Error("The proxy's answer has no end."));
      return;
    }
    socket.pause();
    // What a proxy sends behind its answer comes from the server, who speaks second in TLS: there is nothing to keep.
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1];
    finish(
      status?.startsWith("2") === true ? undefined : new Error(`The proxy answered ${status ?? "no HTTP"}.`),
    );
  };
  socket.on("data", onData).on("error", finish).on("close", onClose);
  const proof = authorization === undefined ? "" : `proxy-authorization: ${authorization}\r\n`;
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${proof}\r\n`, "latin1");
}

const longestHead = 16_384;

/** What a proxy failed with. */
export function proxyFailed(proxy: Proxy, cause: Error): ConnectionFailed {
  return new ConnectionFailed(`Through the proxy ${proxy.url.host}, the host`, cause);
}
