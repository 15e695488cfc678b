/** Routes as they are written down, and what stands around them. */
import { sleep, UsageError } from "@anyloop/core";
import { Application, HttpError, Router, ServerResponse, StorageKey } from "@anyloop/http/server";
import { expect, test } from "vitest";
import { each } from "../../../../tools/test-support/each-real.ts";
import { ask, withServer } from "./serving.ts";

test("a route that is there already, or cannot be, is refused when it is written down", () => {
  const router = new Router();
  const nothing = (): ServerResponse => ServerResponse.empty();
  router.get("/a/:id", nothing);
  expect(() => router.get("/a/:id", nothing)).toThrow(UsageError);
  expect(() => router.post("/a/:name", nothing)).toThrow(/one set of names/);
  expect(() => router.get("b", nothing)).toThrow(/must begin with/);
  expect(() => router.get("/:a/:a", nothing)).toThrow(/name of its own/);
  expect(() => router.get("/*rest/more", nothing)).toThrow(/nothing can come behind/);
  expect(() => router.get("/c", undefined as never)).toThrow(UsageError);
  expect(() => router.static("/s", "/no/such/directory")).toThrow(/no directory/);
});

each("text wins over a parameter, and a parameter over the rest, whatever came first", function* () {
  const app = new Application();
  for (const pattern of ["/*rest", "/a/*rest", "/a/:id", "/a/:id/c", "/a/b", "/a/:id/*rest"] as const) {
    app.get(pattern, ({ params }) => ServerResponse.json([pattern, params]));
  }
  yield* withServer(app, function* ({ url }) {
    const found: unknown[] = [];
    for (const asked of ["/a/b", "/a/x", "/a/b/c", "/a/b/d/e", "/z", "/a/"]) {
      found.push(JSON.parse((yield* ask(url + asked)).text));
    }
    expect(found).toEqual([
      ["/a/b", {}],
      ["/a/:id", { id: "x" }],
      ["/a/:id/c", { id: "b" }],
      ["/a/:id/*rest", { id: "b", rest: "d/e" }],
      ["/*rest", { rest: "z" }],
      ["/a/*rest", { rest: "" }],
    ]);
  });
});

const user = new StorageKey<string>("user");

each("middleware surrounds its router, its groups and what is not there, in both styles", function* () {
  const steps: string[] = [];
  const app = new Application()
    .use(function* (request, next) {
      steps.push(`outer ${request.path}`);
      const response = yield* next();
      response.headers.set("x-outer", "1");
      steps.push(`outer ${String(response.status)}`);
      return response;
    })
    .group("/users/:id", (users) =>
      users
        .get("/posts/:post", function* ({ params, storage }) {
          return ServerResponse.text(`${params.id} ${params.post} ${storage.get(user)}`);
        })
        .use(async (request, next) => {
          await sleep(1);
          if (request.header("authorization") === undefined) throw new HttpError(401);
          request.storage.set(user, "Ann");
          const response = await next();
          return response;
        }),
    );
  yield* withServer(app, function* ({ url }) {
    const granted = yield* ask(`${url}/users/7/posts/8`, { headers: { authorization: "x" } });
    expect(granted).toMatchObject({ status: 200, text: "7 8 Ann" });
    expect(granted.headers["x-outer"]).toBe("1");
    expect((yield* ask(`${url}/users/7/posts/8`)).status).toBe(401);
    expect((yield* ask(`${url}/none`)).status).toBe(404);
  });
  expect(steps.filter((step) => step.includes("none"))).toHaveLength(1);
});
