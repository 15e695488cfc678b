/** Calling what users wrote, in whichever style, and putting middleware around it. */
import { type Body, CancelScope, type Coroutine, type Operation, operation } from "@anyloop/core";
import type { Answer, ServerRequest } from "./request.ts";
import { ServerResponse } from "./response.ts";
import { responseFromFetch } from "./fetch-view.ts";

/** What serves a request. */
export type RequestHandler<Params = Readonly<Record<string, string>>> = Body<
  Answer,
  [request: ServerRequest<Params>]
>;

/** What comes around handlers: calls `next` for their answer, or answers itself. */
export type Middleware = Body<Answer, [request: ServerRequest, next: () => Operation<ServerResponse>]>;

/** A handler as the server calls it. What it gives is `answered`. */
export type Handle = (request: ServerRequest) => Coroutine<unknown>;

const generatorFunctionPrototype: unknown = Object.getPrototypeOf(function* () {});

function isGeneratorFunction(body: unknown): boolean {
  return Object.getPrototypeOf(body) === generatorFunctionPrototype;
}

type AnyBody = (request: ServerRequest<never>, next: () => Operation<ServerResponse>) => unknown;

/** The body's own answer: a generator runs in place, anything else in a frame of its own. */
function* called(
  body: AnyBody,
  request: ServerRequest,
  next: () => Operation<ServerResponse>,
): Coroutine<unknown> {
  return yield* new CancelScope({ name: body.name }).run(
    () => body(request as ServerRequest<never>, next) as Operation<unknown>,
  );
}

function unused(): never {
  throw new Error("A handler has no next.");
}

/** An answer as we send it. @throws TypeError for what is none. */
export function answered(answer: unknown): ServerResponse {
  if (answer instanceof ServerResponse) return answer;
  if (answer instanceof Response) return responseFromFetch(answer);
  throw new TypeError(
    `A handler answered with ${answer === undefined ? "nothing" : typeof answer}. Return a ServerResponse or a Response.`,
  );
}

/** A user's handler, as the server calls it. */
export function handleOf(handler: RequestHandler<never>): Handle {
  if (isGeneratorFunction(handler)) return handler as unknown as Handle;
  return (request) => called(handler, request, unused);
}

const run: (handle: Handle, request: ServerRequest) => Operation<ServerResponse> = operation(function* next(
  handle: Handle,
  request: ServerRequest,
): Coroutine<ServerResponse> {
  return answered(yield* handle(request));
});

/** The handler inside its middleware, the first of which is the outermost. */
export function surrounded(handle: Handle, middleware: readonly Middleware[]): Handle {
  return middleware.reduceRight<Handle>((inner, outer) => {
    const isGenerator = isGeneratorFunction(outer);
    return function* handleWith(request) {
      const next = (): Operation<ServerResponse> => run(inner, request);
      return yield* isGenerator ? (outer(request, next) as Coroutine<Answer>) : called(outer, request, next);
    };
  }, handle);
}
