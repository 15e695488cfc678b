/** The command, as a process. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { kernel, run } from "anyloop";
import { runProcess } from "@anyloop/io";
import { build } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";

const app = path.join(import.meta.dirname, "..");
const folder = mkdtempSync(path.join(tmpdir(), "anyloop-dashboard-"));

beforeAll(async () => {
  await build({ root: path.join(app, "web"), logLevel: "silent" });
}, 60_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function dashboard(...args: string[]): Promise<{ code: number | undefined; out: string; err: string }> {
  const { exitCode, stdout, stderr } = await run(
    runProcess([process.execPath, "--conditions=@anyloop/source", path.join(app, "src/main.ts"), ...args], {
      check: false,
      timeout: 60_000,
    }),
    { backend: kernel() },
  );
  return { code: exitCode, out: Buffer.from(stdout).toString(), err: Buffer.from(stderr).toString() };
}

test("--once looks at all sources and ends", { timeout: 60_000 }, async () => {
  const { code, out, err } = await dashboard("--once", "--json");
  expect(err).toBe("");
  const findings = JSON.parse(out) as { ok: boolean; page: boolean; sources: { name: string }[] };
  expect(findings).toMatchObject({ ok: true, page: true });
  expect(findings.sources.map(({ name }) => name)).toEqual([
    "swift",
    "steady",
    "slow",
    "flaky",
    "moody",
    "crowded",
  ]);
  expect(code).toBe(0);
});

test("--once asks the sources of a file", { timeout: 60_000 }, async () => {
  const server = createServer((_request, response) => response.end('{"data":{"price":12.5}}')).listen(0);
  const { port } = server.address() as AddressInfo;
  const file = path.join(folder, "sources.json");
  const url = `http://127.0.0.1:${port}/`;
  writeFileSync(
    file,
    JSON.stringify([
      { name: "mine", url, path: ["data", "price"] },
      { name: "wrong", url, path: ["nothing"] },
    ]),
  );
  try {
    const { code, out } = await dashboard("--once", "--sources", file);
    expect(out).toMatch(/mine +12\.50\n/);
    expect(out).toMatch(/wrong +no price +The answer has no price at nothing\./);
    expect(code).toBe(0);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});

test.each([
  [["--port", "x"], /^anyloop-dashboard: --port is "x"\. Give a whole number, 0 or more\.\n$/],
  [["--nothing"], /^anyloop-dashboard: Unknown option '--nothing'.*--help/],
  [["--json"], /--json goes with --once/],
  [["--sources", "/no/such/file"], /Cannot read \/no\/such\/file \(ENOENT\)/],
])("a mistake is told in one line: %s", { timeout: 30_000 }, async (args, message) => {
  const { code, err } = await dashboard(...args);
  expect(err).toMatch(message);
  expect(err.trimEnd().split("\n")).toHaveLength(1);
  expect(code).toBe(2);
});

test.each([
  ["{", /is not JSON/],
  ["[]", /has no list of sources/],
  ['[{"name":"a"}]', /has no URL/],
  ['[{"name":"a","url":"ftp://x"}]', /has no URL that begins with http/],
  ['[{"name":"a","url":"http://x","path":[true]}]', /is no list of names and numbers/],
  ['[{"name":"a","url":"http://x"},{"name":"a","url":"http://y"}]', /Two sources of .* are called "a"/],
])("a file that is wrong is explained: %s", { timeout: 30_000 }, async (text, message) => {
  const file = path.join(folder, "wrong.json");
  writeFileSync(file, text);
  const { code, err } = await dashboard("--once", "--sources", file);
  expect(err).toMatch(message);
  expect(code).toBe(2);
});

test("a port that is taken is told", { timeout: 30_000 }, async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  try {
    const { code, err } = await dashboard("--port", String(port));
    expect(err).toMatch(/EADDRINUSE/);
    expect(code).toBe(2);
  } finally {
    server.close();
  }
});

test("--help says what there is", { timeout: 30_000 }, async () => {
  const { code, out } = await dashboard("--help");
  expect(out).toMatch(/--sources FILE/);
  expect(code).toBe(0);
});
