/** One Redis server for a test file. Without the program its tests are skipped, in one loud line. */
import { spawnSync } from "node:child_process";
import { run } from "@anyloop/core";
import { kernel } from "@anyloop/kernel";
import { afterAll, beforeAll } from "vitest";
import { openRedisServer, redisServer } from "@anyloop/bridge-redis/server";
import type { LocalServer } from "@anyloop/bridge-broker/server";

const { program, toInstall } = redisServer;

/** Why the tests cannot run here, if they cannot. */
export const skipped: string | undefined =
  spawnSync(program, ["--version"]).error === undefined ? undefined : `${program} is missing: ${toInstall}`;

if (skipped !== undefined) console.error(`\nSKIPPED, ALL TESTS OVER REDIS: ${skipped}\n`);

let server: LocalServer | undefined;
let streams = 0;

/** Starts it before the tests of this file, and ends it after them. */
export function useServer(): void {
  beforeAll(async () => {
    if (skipped === undefined) server = await run(openRedisServer(), { backend: kernel() });
  });
  afterAll(async () => {
    if (server !== undefined) await run(server.close(), { backend: kernel() });
  });
}

/** Where it is. */
export function url(): string {
  return `redis://127.0.0.1:${String(server?.port)}`;
}

/** A stream that nobody has used yet. */
export function newStream(): string {
  return `stream-${String(++streams)}`;
}
