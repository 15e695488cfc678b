/** The floor: `node:http`, with as much routing by hand as the task needs. */
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { cpuTime, listensOn, userOf } from "../contract.ts";

function json(response: ServerResponse, value: unknown): void {
  const text = JSON.stringify(value);
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  response.end(text);
}

const server = createServer((request, response) => {
  const { method, url = "" } = request;
  if (method === "GET" && url.startsWith("/users/")) {
    json(response, userOf(url.slice("/users/".length)));
  } else if (method === "POST" && url === "/json") {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => json(response, JSON.parse(Buffer.concat(pieces).toString())));
  } else if (url === "/cpu") {
    json(response, cpuTime());
  } else {
    response.writeHead(404).end();
  }
});
server.listen(0, "127.0.0.1", () => listensOn((server.address() as AddressInfo).port));
