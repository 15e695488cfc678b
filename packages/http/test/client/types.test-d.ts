/** What the compiler infers and refuses: checked by `tsc`, never run. */
import { type Operation, use } from "@anyloop/core";
import { type ClientResponse, ClientSession, type ClientMiddleware } from "@anyloop/http/client";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles only if the type of the value is exactly `T`. */
declare function expectType<T>(): <U>(value: U, ...same: Equal<T, U> extends true ? [] : [never]) => void;

interface User {
  readonly name: string;
}

const session = new ClientSession();

expectType<Operation<ClientResponse>>()(session.get("/"));
expectType<Operation<string>>()(
  use(new ClientSession(), function* (opened) {
    const response = yield* opened.post("/", { json: { a: 1 }, timeout: { total: 5, firstByte: 1 } });
    expectType<User>()(yield* response.json<User>());
    expectType<unknown>()(yield* response.json());
    expectType<ClientResponse>()(response.throwForStatus());
    expectType<string>()(yield* response.text());
    return response.url;
  }),
);

export const ok: ClientMiddleware[] = [
  function* (request, next) {
    return yield* next(request);
  },
  async (request, next) => await next(request.with({ method: "PUT", body: "x" })),
  (request, next) => next(request),
];

// @ts-expect-error -- what it gives is no response
export const wrong: ClientMiddleware = function* (request, next) {
  yield* next(request);
  return 5;
};

// @ts-expect-error -- a phase that does not exist
void session.get("/", { timeout: { first: 5 } });
// @ts-expect-error -- a number is no body; json: 5 is
void session.post("/", { body: 5 });
// @ts-expect-error -- an unknown scheme
void session.get("/", { auth: { scheme: "bearer", username: "", password: "" } });
