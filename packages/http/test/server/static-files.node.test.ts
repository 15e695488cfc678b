/** Files of a directory. */
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { brotliDecompressSync, brotliCompressSync, gzipSync } from "node:zlib";
import { Application } from "@anyloop/http/server";
import { expect } from "vitest";
import { each } from "../../../../tools/test-support/each-real.ts";
import { ask, curl, withServer } from "./serving.ts";

each("files have a type, an ETag, parts, and compressed versions for who takes them", function* () {
  const root = mkdtempSync(path.join(tmpdir(), "anyloop-static-"));
  const script = "console.log(1);\n".repeat(10_000);
  mkdirSync(path.join(root, "docs"));
  writeFileSync(path.join(root, "app.js"), script);
  writeFileSync(path.join(root, "app.js.br"), brotliCompressSync(script));
  writeFileSync(path.join(root, "app.js.gz"), gzipSync(script));
  writeFileSync(path.join(root, "a b.txt"), "0123456789");
  writeFileSync(path.join(root, "empty"), "");
  writeFileSync(path.join(root, "docs", "index.html"), "<p>docs");
  utimesSync(path.join(root, "a b.txt"), 1_700_000_000, 1_700_000_000);
  const app = new Application().static("/files", root, { cacheControl: "max-age=60" });
  try {
    yield* withServer(app, function* ({ url }) {
      const base = `${url}/files`;
      const plain = yield* ask(`${base}/a%20b.txt`);
      expect(plain).toMatchObject({ status: 200, text: "0123456789" });
      expect(plain.headers).toMatchObject({
        "content-type": "text/plain; charset=utf-8",
        "cache-control": "max-age=60",
        "last-modified": "Tue, 14 Nov 2023 22:13:20 GMT",
        "accept-ranges": "bytes",
      });
      const etag = plain.headers["etag"] ?? "";
      const get = (headers: Record<string, string>): ReturnType<typeof ask> =>
        ask(`${base}/a%20b.txt`, { headers });
      expect(yield* get({ "if-none-match": `"x", W/${etag}` })).toMatchObject({ status: 304, text: "" });
      expect((yield* get({ "if-modified-since": "Tue, 14 Nov 2023 22:13:20 GMT" })).status).toBe(304);
      expect((yield* get({ "if-modified-since": "Tue, 14 Nov 2023 22:13:19 GMT" })).status).toBe(200);
      const part = yield* get({ range: "bytes=2-4" });
      expect(part).toMatchObject({ status: 206, text: "234" });
      expect(part.headers["content-range"]).toBe("bytes 2-4/10");
      expect((yield* get({ range: "bytes=-3" })).text).toBe("789");
      expect((yield* get({ range: "bytes=8-99" })).text).toBe("89");
      expect((yield* get({ range: "bytes=0-1,3-4" })).status).toBe(200);
      expect((yield* get({ range: "bytes=2-4", "if-range": '"other"' })).status).toBe(200);
      expect((yield* get({ range: "bytes=2-4", "if-range": etag })).status).toBe(206);
      const outside = yield* get({ range: "bytes=10-" });
      expect(outside.status).toBe(416);
      expect(outside.headers["content-range"]).toBe("bytes */10");
      const head = yield* ask(`${base}/a%20b.txt`, { method: "HEAD" });
      expect(head).toMatchObject({ status: 200, text: "" });
      expect(head.headers["content-length"]).toBe("10");

      expect((yield* ask(`${base}/app.js`)).text).toBe(script);
      expect(yield* curl("--compressed", "-H", "Accept-Encoding: gzip;q=1, br;q=0", `${base}/app.js`)).toBe(
        script,
      );
      const packed = yield* ask(`${base}/app.js`, { headers: { "accept-encoding": "gzip, br" } });
      expect(packed.headers).toMatchObject({ "content-encoding": "br", vary: "accept-encoding" });
      expect(packed.headers["content-type"]).toBe("text/javascript; charset=utf-8");
      expect(brotliDecompressSync(packed.bytes).toString()).toBe(script);
      expect(packed.headers["etag"]).not.toBe((yield* ask(`${base}/app.js`)).headers["etag"]);

      expect((yield* ask(`${base}/docs/`)).text).toBe("<p>docs");
      const moved = yield* ask(`${base}/docs`);
      expect(moved).toMatchObject({ status: 301 });
      expect(moved.headers.location).toBe("/files/docs/");
      expect(yield* ask(`${base}/empty`)).toMatchObject({ status: 200, text: "" });
      expect((yield* ask(`${base}/none`)).status).toBe(404);
      expect((yield* ask(`${base}/`)).status).toBe(404);
      expect((yield* ask(`${base}/app.js`, { method: "POST" })).status).toBe(405);
    });
  } finally {
    rmSync(root, { recursive: true });
  }
});
