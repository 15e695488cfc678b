/** What the compiler infers and refuses: checked by `tsc`, never run. */
import { sleep } from "@anyloop/core";
import {
  Application,
  type ParamsOf,
  type ServerRequest,
  ServerResponse,
  StorageKey,
} from "@anyloop/http/server";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles only if the two types are the same. */
declare function same<A, B>(...equal: Equal<A, B> extends true ? [] : [never]): void;

same<ParamsOf<"/users/:id">, { readonly id: string }>();
same<ParamsOf<"/users/:id/posts/:post">, { readonly id: string; readonly post: string }>();
same<ParamsOf<"/files/*path">, { readonly path: string }>();
same<ParamsOf<"/files/*">, { readonly "*": string }>();
same<ParamsOf<string>, Readonly<Record<string, string>>>();

const app = new Application();
const response = ServerResponse.empty();

app.get("/users/:id/:tab", function* (request) {
  same<typeof request, ServerRequest<{ readonly id: string; readonly tab: string }>>();
  yield* sleep(1);
  return response;
});
app.get("/users/:id", async ({ params }) => ServerResponse.text(params.id));
app.get("/users/:id", () => new Response());
// @ts-expect-error: there is no such parameter
app.get("/users/:id", ({ params: { name } }) => ServerResponse.text(name as string));
// @ts-expect-error: a handler answers
app.get("/", function* () {
  yield* sleep(1);
});
// @ts-expect-error: nor is text a response
app.get("/", () => "text");

app.group("/users/:id", (users) => {
  users.get("/posts/:post", ({ params }) => {
    same<typeof params, { readonly id: string; readonly post: string }>();
    return response;
  });
});

app.use(function* (_request, next) {
  const answer = yield* next();
  same<typeof answer, ServerResponse>();
  return answer;
});
app.use(async (_request, next) => await next());
// @ts-expect-error: middleware answers too
app.use(() => {});

const count = new StorageKey<number>("count");
app.storage.set(count, 1);
// @ts-expect-error: the value has the key's type
app.storage.set(count, "1");
same<ReturnType<typeof app.storage.get<number>>, number>();
app.provide(count, (status) => {
  status.started(1);
  // @ts-expect-error: so has what is provided
  status.started("1");
});
