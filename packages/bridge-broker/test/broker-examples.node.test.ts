/** The examples of the docs that need a broker: each logs what its comments say. */
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const repository = fileURLToPath(new URL("../../..", import.meta.url));
const files = ["packages/bridge-redis/README.md", "packages/bridge-nats/README.md", "docs/brokers.md"];
const programs: Readonly<Record<string, string>> = { redis: "redis-server", nats: "nats-server" };

function output(code: string, folder: string): Promise<string[]> {
  const flags = ["--conditions=@anyloop/source", "--input-type=module-typescript", "--eval", code];
  const child = spawn(process.execPath, flags, { cwd: path.join(repository, folder), timeout: 30_000 });
  let text = "";
  const gather = (chunk: Buffer): void => {
    text += chunk.toString();
  };
  child.stdout.on("data", gather);
  child.stderr.on("data", gather);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", () => resolve(text.split("\n").filter((line) => line !== "")));
  });
}

for (const file of files) {
  const text = readFileSync(path.join(repository, file), "utf8");
  for (const [, broker = "", code = ""] of text.matchAll(/^```ts (redis|nats)\n([\s\S]*?)^```/gm)) {
    const program = programs[broker] ?? "";
    const missing = spawnSync(program, ["--version"]).error !== undefined;
    const why = missing ? ` [${program} is missing: apt-get install ${program}]` : "";
    test.skipIf(missing)(`${file}, over ${broker}${why}`, { timeout: 40_000 }, async () => {
      const promised = [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, said]) => said);
      expect(promised.length).toBeGreaterThan(0);
      expect(await output(code, `packages/bridge-${broker}`)).toEqual(promised);
    });
  }
}
