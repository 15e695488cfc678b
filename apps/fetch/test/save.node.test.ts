/** Saving bodies: whole ones only, gone on with after a break, checked against what they should be. */
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { kernel, native, run } from "anyloop";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { fetchAll, type FetchResult } from "../src/fetch-all.ts";
import { saveTargets } from "../src/save-targets.ts";
import { openServer } from "./server.ts";

const body = Buffer.from(Array.from({ length: 50_000 }, (_, index) => index % 251));
const sum = createHash("sha256").update(body).digest("hex");

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "anyloop-fetch-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Answers as a file server does, and notes what ranges were asked for. */
class FileServer {
  etag = '"one"';
  content = body;
  knowsRanges = true;
  /** Breaks the connection after so many bytes of each of the first answers. */
  breaks: number[] = [];
  readonly ranges: (string | undefined)[] = [];

  readonly answer = (request: IncomingMessage, response: ServerResponse): void => {
    const { range, "if-range": condition } = request.headers;
    this.ranges.push(range);
    const first =
      this.knowsRanges && condition === this.etag ? Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1] ?? 0) : 0;
    const headers = { etag: this.etag };
    if (first > this.content.length || (first > 0 && first === this.content.length)) {
      response.writeHead(416, headers).end();
      return;
    }
    const rest = this.content.subarray(first);
    const length = { ...headers, "content-length": rest.length };
    if (first > 0) {
      const total = this.content.length;
      response.writeHead(206, { ...length, "content-range": `bytes ${first}-${total - 1}/${total}` });
    } else {
      response.writeHead(200, length);
    }
    const least = this.breaks.shift();
    if (least === undefined) response.end(rest);
    else response.write(rest.subarray(0, least), () => setTimeout(() => response.destroy(), 20));
  };
}

describe.each([
  ["kernel", () => kernel()],
  ["native", () => native()],
] as const)("on %s", (_label, makeBackend) => {
  async function save(
    server: FileServer,
    { retries = 0, sha256 = undefined as string | undefined } = {},
  ): Promise<FetchResult> {
    await using listening = await openServer((_path, response) => server.answer(response.req, response));
    // The port is another one each time; a part belongs to a URL.
    const port = new URL(listening.origin).port;
    const note = path.join(folder, "file.bin.part.json");
    const url = `${listening.origin}/file.bin`;
    if (existsSync(note)) writeFileSync(note, readFileSync(note, "utf8").replace(/:\d+\//, `:${port}/`));
    const targets = [{ path: path.join(folder, "file.bin"), sha256 }];
    const [result] = await run(fetchAll([url], { targets, retries, backoff: 1, maxBytes: Infinity }), {
      backend: makeBackend(),
    });
    return result as FetchResult;
  }

  const saved = (): Buffer => readFileSync(path.join(folder, "file.bin"));

  test("a body is saved, and nothing else is left", async () => {
    const result = await save(new FileServer());
    expect(result).toMatchObject({
      status: 200,
      bytes: body.length,
      sha256: sum,
      tries: 1,
      error: undefined,
    });
    expect(saved().equals(body)).toBe(true);
    expect(readdirSync(folder)).toEqual(["file.bin"]);
  });

  test("a retry goes on where the connection broke", async () => {
    const server = new FileServer();
    server.breaks = [20_000, 10_000];
    const result = await save(server, { retries: 3 });
    expect(result).toMatchObject({ status: 206, bytes: body.length, sha256: sum, tries: 3 });
    expect(server.ranges).toEqual([undefined, "bytes=20000-", "bytes=30000-"]);
    expect(saved().equals(body)).toBe(true);
    expect(readdirSync(folder)).toEqual(["file.bin"]);
  });

  test("so does a later run; until then there is no file", async () => {
    const server = new FileServer();
    server.breaks = [12_345];
    expect((await save(server)).error).toBeDefined();
    expect(readdirSync(folder).toSorted()).toEqual(["file.bin.part", "file.bin.part.json"]);
    expect(await save(server, { sha256: sum })).toMatchObject({ sha256: sum, error: undefined });
    expect(server.ranges[1]).toBe("bytes=12345-");
    expect(saved().equals(body)).toBe(true);
  });

  test("a body that has changed meanwhile is begun anew", async () => {
    const server = new FileServer();
    server.breaks = [20_000];
    await save(server);
    server.etag = '"two"';
    server.content = Buffer.from("something else");
    expect(await save(server)).toMatchObject({ status: 200, bytes: 14, error: undefined });
    expect(saved().toString()).toBe("something else");
  });

  test("a server without ranges is asked for everything again", async () => {
    const server = new FileServer();
    server.knowsRanges = false;
    server.breaks = [20_000];
    expect(await save(server, { retries: 1 })).toMatchObject({ status: 200, sha256: sum, tries: 2 });
    expect(saved().equals(body)).toBe(true);
  });

  test("a part that is all there is, or more, is begun anew", async () => {
    const server = new FileServer();
    server.breaks = [20_000];
    await save(server);
    writeFileSync(path.join(folder, "file.bin.part"), body);
    expect(await save(server)).toMatchObject({ status: 200, sha256: sum });
    expect(saved().equals(body)).toBe(true);
  });

  test("a body that is not what it should be is not saved", async () => {
    const wrong = "0".repeat(64);
    const result = await save(new FileServer(), { sha256: wrong });
    expect(result.error).toBe(`its SHA-256 is ${sum}, not ${wrong}: it was not saved`);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("an answer that is no success leaves what was saved before alone", async () => {
    writeFileSync(path.join(folder, "file.bin"), "before");
    await using listening = await openServer((_path, response) => response.writeHead(404).end("none"));
    const targets = [{ path: path.join(folder, "file.bin"), sha256: undefined }];
    const [result] = await run(fetchAll([`${listening.origin}/file.bin`], { targets }), {
      backend: makeBackend(),
    });
    expect(result).toMatchObject({ status: 404, bytes: 4, sha256: undefined });
    expect(saved().toString()).toBe("before");
  });

  test("what the disk refuses is told", async () => {
    await using listening = await openServer((_path, response) => response.end("x"));
    const targets = [{ path: path.join(folder, "missing/file.bin"), sha256: undefined }];
    const [result] = await run(fetchAll([`${listening.origin}/`], { targets }), { backend: makeBackend() });
    expect(result?.error).toMatch(/^Cannot open .*file\.bin\.part \(ENOENT\)/);
    expect(result?.tries).toBe(1);
  });
});

test("files have different names, inside the folder", () => {
  const urls = [
    "http://a/x.txt",
    "http://b/x.txt?y",
    "http://a/",
    "http://a/..%2f..%2fetc%2fpasswd",
    "http://a/%2e%2e%2f",
    "http://a/dir/",
  ];
  expect(saveTargets(urls, "out", new Map()).map(({ path: target }) => target)).toEqual([
    path.join("out", "x.txt"),
    path.join("out", "x-2.txt"),
    path.join("out", "index.html"),
    path.join("out", ".._.._etc_passwd"),
    path.join("out", ".._"),
    path.join("out", "dir"),
  ]);
});
