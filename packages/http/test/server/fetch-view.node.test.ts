/** Code that was written for the Fetch standard. */
import { UsageError } from "@anyloop/core";
import { Application, ServerResponse } from "@anyloop/http/server";
import { Hono } from "hono";
import { expect, test } from "vitest";
import { each } from "../../../../tools/test-support/each-real.ts";
import { ask, withServer } from "./serving.ts";

each("a Hono app is mounted, and any handler of the Fetch standard", function* () {
  const hono = new Hono()
    .get("/users/:id", (context) => context.json({ id: context.req.param("id"), q: context.req.query("q") }))
    .post("/echo", async (context) => {
      context.header("set-cookie", "a=1", { append: true });
      context.header("set-cookie", "b=2", { append: true });
      return context.text((await context.req.text()).toUpperCase(), 201);
    })
    .get("/", (context) => context.text("root"));
  const app = new Application()
    .mount("/hono", hono.fetch)
    .mount("/plain", async (request) => {
      await Promise.resolve();
      return new Response(request.body, { headers: { "x-url": request.url } });
    })
    .get("/native", () => Response.json({ native: true }));
  yield* withServer(app, function* ({ url }) {
    expect((yield* ask(`${url}/hono/users/7?q=x`)).text).toBe('{"id":"7","q":"x"}');
    expect((yield* ask(`${url}/hono`)).text).toBe("root");
    const echo = yield* ask(`${url}/hono/echo`, { method: "POST", body: "abc" });
    expect(echo).toMatchObject({ status: 201, text: "ABC" });
    expect(echo.headers["set-cookie"]).toEqual(["a=1", "b=2"]);
    expect((yield* ask(`${url}/hono/none`)).status).toBe(404);
    const body = "x".repeat(500_000);
    const streamed = yield* ask(`${url}/plain/a?b`, { method: "POST", body });
    expect(streamed.text).toBe(body);
    expect(streamed.headers["x-url"]).toBe(`${url}/a?b`);
    expect(yield* ask(`${url}/plain/a`, { method: "POST", body: "x".repeat(1_200_000) })).toMatchObject({
      status: 413,
    });
    expect((yield* ask(`${url}/native`)).text).toBe('{"native":true}');
    // What the standard has no room for is no error of ours.
    expect((yield* ask(`${url}/plain/a`, { method: "TRACE" })).status).toBe(405);
    expect((yield* ask(`${url}/plain/a`, { headers: { host: "a:99999" } })).status).toBe(400);
  });
});

test("a response is seen as the Fetch standard has it", async () => {
  const response = ServerResponse.json({ a: 1 }, { status: 201, headers: { "x-a": "b" } }).toFetch();
  expect([response.status, response.headers.get("x-a"), response.headers.get("content-type")]).toEqual([
    201,
    "b",
    "application/json",
  ]);
  expect(await response.json()).toEqual({ a: 1 });
  expect(() => ServerResponse.stream(function* () {}).toFetch()).toThrow(UsageError);
});
