/** A bundler must keep what importing the front door does, and drop what is not used. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { expect, test } from "vitest";

const here = path.dirname(fileURLToPath(import.meta.url));

async function bundle(code: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: here, loader: "ts" },
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: "es2022",
    platform: "neutral",
    conditions: ["@anyloop/source"],
  });
  return outputFiles[0]?.text ?? "";
}

test("a bundled first program runs: the default backend is kept", async () => {
  const code = await bundle('import { sleep } from "anyloop"; await sleep(1); console.log("ran");');
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", code], {
    encoding: "utf8",
  });
  expect(stdout + stderr).toBe("ran\n");
});

test("what a program does not use is not in its bundle", async () => {
  const small = await bundle('import { run, sleep } from "anyloop"; await run(sleep(1));');
  expect(small.includes("a memory stream")).toBe(false);
  expect(small.includes("The native backend")).toBe(false);
});
