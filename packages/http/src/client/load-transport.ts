/** Which transport there is here. What needs Node is imported only where Node is. */
import type { ConnectionOptions } from "./connection-options.ts";
import type { Transport } from "./transport.ts";

/** "undici" wherever it runs (Node, Deno), else "fetch" (Bun, browsers). */
export type TransportName = "undici" | "fetch";

interface Runtime {
  readonly process?: { readonly versions?: Readonly<Record<string, string | undefined>> };
}

export function usualTransport(): TransportName {
  const versions = (globalThis as Runtime).process?.versions;
  return versions?.["node"] === undefined || versions["bun"] !== undefined ? "fetch" : "undici";
}

export async function loadTransport(
  name: TransportName,
  options: ConnectionOptions,
  connectTimeout: number,
): Promise<Transport> {
  if (name === "fetch") {
    const { FetchTransport } = await import("./fetch-transport.ts");
    return new FetchTransport();
  }
  const [{ UndiciTransport }, undici, dns] = await Promise.all([
    import("./undici-transport.ts"),
    import("undici"),
    import("node:dns"),
  ]);
  return new UndiciTransport({ undici, dns }, options, connectTimeout);
}
