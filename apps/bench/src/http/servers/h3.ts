import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { H3, readBody } from "h3";
import { toNodeHandler } from "h3/node";
import { cpuTime, listensOn, userOf } from "../contract.ts";

const app = new H3()
  .get("/users/:id", (event) => userOf(event.context.params?.["id"] ?? ""))
  .post("/json", async (event) => await readBody(event))
  .get("/cpu", () => cpuTime());
const handler = toNodeHandler(app);
const server = createServer((request, response) => void handler(request, response));
server.listen(0, "127.0.0.1", () => listensOn((server.address() as AddressInfo).port));
