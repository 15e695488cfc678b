/** A Redis server of one's own, for tests and to try things out. */
import { type LocalServer, openLocalServer, type ServerProgram } from "@anyloop/bridge-broker/server";
import type { Operation } from "@anyloop/core";

export const redisServer: ServerProgram = {
  program: "redis-server",
  toInstall: "apt-get install redis-server",
  // Appended before it is answered: killed and started again, it has lost nothing.
  arguments: (port, directory) =>
    `--port ${String(port)} --bind 127.0.0.1 --appendonly yes --dir`.split(" ").concat(directory),
};

/** Starts one; best with `use`. Its URL is `redis://127.0.0.1:` and its port. @throws LocalServerError. */
export function openRedisServer(): Operation<LocalServer> {
  return openLocalServer(redisServer);
}
