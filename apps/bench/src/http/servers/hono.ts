import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { cpuTime, listensOn, userOf } from "../contract.ts";

const app = new Hono()
  .get("/users/:id", (context) => context.json(userOf(context.req.param("id"))))
  .post("/json", async (context) => context.json(await context.req.json<object>()))
  .get("/cpu", (context) => context.json(cpuTime()));
serve({ fetch: app.fetch, port: 0, hostname: "127.0.0.1" }, ({ port }) => listensOn(port));
