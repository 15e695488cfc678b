/** A NATS server of one's own, for tests and to try things out. */
import { type LocalServer, openLocalServer, type ServerProgram } from "@anyloop/bridge-broker/server";
import type { Operation } from "@anyloop/core";

export const natsServer: ServerProgram = {
  program: "nats-server",
  toInstall: "apt-get install nats-server",
  arguments: (port, directory) =>
    `--addr 127.0.0.1 --port ${String(port)} --jetstream --store_dir`.split(" ").concat(directory),
};

/** Starts one; best with `use`. Its address is `nats://127.0.0.1:` and its port. @throws LocalServerError. */
export function openNatsServer(): Operation<LocalServer> {
  return openLocalServer(natsServer);
}
