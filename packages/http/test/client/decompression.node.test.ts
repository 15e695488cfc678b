/** Bodies that come compressed. */
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { use } from "@anyloop/core";
import { BodyTooLarge, ClientSession, DecompressionFailed } from "@anyloop/http/client";
import { expect } from "vitest";
import { caught, each, isBun } from "../../../../tools/test-support/each-real.ts";
import { eachOnUndici } from "./each-undici.ts";
import { withServer } from "./servers.ts";

type Compress = (data: string) => Uint8Array;
// Node 20 has no zstd.
const zstd = zstdCompressSync as Compress | undefined;
const encodings: Readonly<Record<string, Compress>> = {
  gzip: gzipSync,
  "x-gzip": gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
  ...(zstd === undefined || isBun ? {} : { zstd }),
};
const text = "hello ".repeat(50_000);

each("decompression: gzip, deflate, br and zstd, whole or as a stream", () =>
  withServer(
    (request, response) => {
      const coding = (request.url ?? "").slice(1);
      response.setHeader("content-encoding", coding);
      response.end(encodings[coding]?.(text));
    },
    function* (session) {
      for (const coding of Object.keys(encodings)) {
        if (isBun && coding === "x-gzip") continue;
        const response = yield* session.get(`/${coding}`);
        expect(response.headers.get("content-encoding")).toBe(coding);
        expect((yield* response.text()) === text).toBe(true);
        const stream = (yield* session.get(`/${coding}`)).stream();
        let length = 0;
        for (;;) {
          const piece = yield* stream.next();
          if (piece.done === true) break;
          length += piece.value.length;
        }
        expect(length).toBe(text.length);
      }
      expect(session.statistics().active).toBe(0);
    },
  ),
);

eachOnUndici("decompression: raw deflate, two layers, nothing at all, none wanted", () =>
  withServer(
    (request, response) => {
      if (request.url === "/raw") response.setHeader("content-encoding", "deflate").end(deflateRawSync(text));
      else if (request.url === "/two")
        response.setHeader("content-encoding", "gzip, br").end(brotliCompressSync(gzipSync(text)));
      else if (request.url === "/empty") response.writeHead(204, { "content-encoding": "gzip" }).end();
      else response.end(request.headers["accept-encoding"] ?? "nothing");
    },
    function* (session, server) {
      expect((yield* (yield* session.get("/raw")).text()) === text).toBe(true);
      expect((yield* (yield* session.get("/two")).text()) === text).toBe(true);
      expect(yield* (yield* session.get("/empty")).text()).toBe("");
      expect(yield* (yield* session.get("/")).text()).toMatch(/^gzip, deflate, br/);
      yield* use(new ClientSession({ baseUrl: server.url, decompress: false }), function* (plain) {
        expect(yield* (yield* plain.get("/")).text()).toBe("nothing");
        expect((yield* (yield* plain.get("/raw")).bytes()).length).toBe(deflateRawSync(text).length);
      });
    },
  ),
);

eachOnUndici(
  "a decompression bomb, damage and unknown codings are refused, and the connection is closed",
  () => {
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const many = gzipSync(gzipSync(gzipSync(gzipSync(text))));
    return withServer(
      (request, response) => {
        const path = request.url ?? "";
        if (path === "/bomb") response.setHeader("content-encoding", "gzip").end(bomb);
        else if (path === "/damaged")
          response.setHeader("content-encoding", "gzip").end(gzipSync(text).subarray(0, 100));
        else if (path === "/nonsense") response.setHeader("content-encoding", "br").end("nonsense");
        else
          response
            .setHeader("content-encoding", path === "/many" ? "gzip, gzip, gzip, gzip" : "rot13")
            .end(path === "/many" ? many : text);
      },
      function* (session) {
        expect(
          yield* caught((yield* session.get("/bomb", { maxBodyBytes: 1_000_000 })).text()),
        ).toBeInstanceOf(BodyTooLarge);
        for (const path of ["/damaged", "/nonsense", "/many", "/unknown"]) {
          expect(yield* caught((yield* session.get(path)).text())).toBeInstanceOf(DecompressionFailed);
        }
        expect(session.statistics().active).toBe(0);
      },
    );
  },
);
