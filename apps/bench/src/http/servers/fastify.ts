import type { AddressInfo } from "node:net";
import fastify from "fastify";
import { cpuTime, listensOn, userOf } from "../contract.ts";

const app = fastify();
app.get<{ Params: { id: string } }>("/users/:id", async ({ params }) => userOf(params.id));
app.post("/json", async ({ body }) => body);
app.get("/cpu", async (_request, reply) => await reply.type("application/json").send(String(cpuTime())));
await app.listen({ port: 0, host: "127.0.0.1" });
listensOn((app.server.address() as AddressInfo).port);
