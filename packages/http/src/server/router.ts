/**
 * Routes, and what stands around them.
 *
 * Invariant: the parameters that a handler is given are those of its pattern, by their types too; middleware applies to
 * every route of its router and of the groups in it, whichever was written down first.
 */
import { type Coroutine, UsageError } from "@anyloop/core";
import { fetchHandler, type FetchHandler } from "./fetch-view.ts";
import { type Handle, handleOf, type Middleware, type RequestHandler, surrounded } from "./handle.ts";
import { HttpError } from "./http-error.ts";
import type { ParamsOf } from "./path-pattern.ts";
import type { ServerRequest } from "./request.ts";
import type { ServerResponse } from "./response.ts";
import { RouteTree } from "./route-tree.ts";
import { staticFiles, type StaticFilesOptions } from "./static-files.ts";
import type { AcceptWebSocketOptions } from "../websocket/accept.ts";
import { upgradeHandle, type UpgradeHandler } from "./upgrade.ts";
import { webSocketUpgrade, type WebSocketHandler } from "./websocket-route.ts";

export interface RouteOptions {
  /** Cancels the handler when the client has vanished. Otherwise it goes on: what was begun for a client is mostly to be finished. */
  readonly cancelOnDisconnect?: boolean | undefined;
  /** Bytes that a body may have, instead of the server's limit. */
  readonly bodySize?: number | undefined;
}

/** A route, ready to be called. */
export interface Route {
  readonly options: RouteOptions;
  readonly handle: Handle;
}

const noOptions: RouteOptions = {};
const anyMethod = "*";
/** Not a method: a connection that changes to another protocol. */
const upgradeMethod = "(upgrade)";

class OwnRoute implements Route {
  readonly options: RouteOptions;
  private readonly router: Router<string>;
  private readonly inner: Handle;
  private ready: Handle | undefined = undefined;

  constructor(router: Router<string>, inner: Handle, options: RouteOptions) {
    this.router = router;
    this.inner = inner;
    this.options = options;
  }

  /** Put together when first needed: middleware may be added after the route. */
  get handle(): Handle {
    return (this.ready ??= surrounded(this.inner, this.router.middlewareAround()));
  }
}

type Handled<Prefix extends string, Path extends string> = RequestHandler<ParamsOf<`${Prefix}${Path}`>>;

/** Takes routes; an `Application` is one. */
export class Router<Prefix extends string = ""> {
  private readonly prefix: string;
  private readonly above: Router<string> | undefined;
  private readonly tree: RouteTree<Route>;
  private readonly middleware: Middleware[] = [];
  private readonly missing: Route;
  private readonly notAllowed: Route;

  /** @internal Groups are made with `group`. */
  constructor(prefix = "", above?: Router<string>) {
    this.prefix = prefix;
    this.above = above;
    this.tree = above?.tree ?? new RouteTree();
    this.missing = new OwnRoute(this, notFound, noOptions);
    this.notAllowed = new OwnRoute(this, methodNotAllowed, noOptions);
  }

  /** A HEAD request goes there too, and is answered without the body, unless there is a route of its own. */
  get<Path extends string>(path: Path, handler: Handled<Prefix, Path>, options?: RouteOptions): this {
    return this.route("GET", path, handler, options);
  }

  head<Path extends string>(path: Path, handler: Handled<Prefix, Path>, options?: RouteOptions): this {
    return this.route("HEAD", path, handler, options);
  }

  post<Path extends string>(path: Path, handler: Handled<Prefix, Path>, options?: RouteOptions): this {
    return this.route("POST", path, handler, options);
  }

  put<Path extends string>(path: Path, handler: Handled<Prefix, Path>, options?: RouteOptions): this {
    return this.route("PUT", path, handler, options);
  }

  patch<Path extends string>(path: Path, handler: Handled<Prefix, Path>, options?: RouteOptions): this {
    return this.route("PATCH", path, handler, options);
  }

  delete<Path extends string>(path: Path, handler: Handled<Prefix, Path>, options?: RouteOptions): this {
    return this.route("DELETE", path, handler, options);
  }

  options<Path extends string>(path: Path, handler: Handled<Prefix, Path>, options?: RouteOptions): this {
    return this.route("OPTIONS", path, handler, options);
  }

  /** Every method that has no route of its own. */
  all<Path extends string>(path: Path, handler: Handled<Prefix, Path>, options?: RouteOptions): this {
    return this.route(anyMethod, path, handler, options);
  }

  /**
   * A route for any method. In a path, `:name` is a segment, and `*name` or `*`, at the end, all that is left.
   * @throws UsageError for a bad path, and for a route that is there already.
   */
  route<Path extends string>(
    method: string,
    path: Path,
    handler: Handled<Prefix, Path>,
    options: RouteOptions = noOptions,
  ): this {
    if (typeof handler !== "function")
      throw new UsageError(`The handler of ${method} ${path} is no function.`);
    return this.add(method, path, handleOf(handler), options);
  }

  /** Routes under a common beginning, with middleware of their own. */
  group<Path extends string>(path: Path, build: (router: Router<`${Prefix}${Path}`>) => void): this {
    build(new Router<`${Prefix}${Path}`>(this.prefix + path, this));
    return this;
  }

  /** Puts something around all routes of this router, those of its groups, and what is said where there is none. */
  use(middleware: Middleware): this {
    this.middleware.push(middleware);
    return this;
  }

  /**
   * Gives all requests below a path to a handler of the Fetch standard: a Hono app's `fetch`, for instance. It sees the
   * path without what it is mounted at.
   */
  mount(path: string, handler: FetchHandler, options?: RouteOptions): this {
    const handle = handleOf(fetchHandler(this.prefix + path, handler));
    if (path !== "") this.add(anyMethod, path, handle, options ?? noOptions);
    return this.add(anyMethod, `${path}/*`, handle, options ?? noOptions);
  }

  /** Serves the files of a directory: see `StaticFilesOptions`. @throws UsageError if there is no such directory. */
  static(path: string, directory: string, options?: StaticFilesOptions): this {
    const handle = handleOf(staticFiles(directory, options));
    return this.add("GET", `${path}/*`, handle, noOptions);
  }

  /**
   * Takes a connection over that asks for another protocol (`Upgrade`): the handler gets the raw request, the socket and
   * the first bytes, as `node:http` gives them, and runs as a task under the connection's scope. The socket is destroyed
   * once it has ended.
   */
  upgrade<Path extends string>(path: Path, handler: UpgradeHandler<ParamsOf<`${Prefix}${Path}`>>): this {
    return this.add(upgradeMethod, path, upgradeHandle(handler), noOptions);
  }

  /** Serves websockets: the handler has each as a stream of messages, and its end closes it. */
  websocket<Path extends string>(
    path: Path,
    handler: WebSocketHandler<ParamsOf<`${Prefix}${Path}`>>,
    options?: AcceptWebSocketOptions,
  ): this {
    return this.upgrade(path, webSocketUpgrade(handler, options));
  }

  /** @internal The route of a request, or the one that says what is wrong with it. */
  find(request: ServerRequest): Route {
    const found = this.tree.find(request.path);
    if (found === undefined) return this.missing;
    const { methods, params } = found;
    const { method } = request;
    const isUpgrade = request.upgrade !== undefined;
    const route =
      methods.get(isUpgrade ? upgradeMethod : method) ??
      (isUpgrade
        ? undefined
        : ((method === "HEAD" ? methods.get("GET") : undefined) ?? methods.get(anyMethod)));
    request.params = params;
    if (route !== undefined) return route;
    request.allowed = [...methods.keys()];
    return this.notAllowed;
  }

  /** @internal Whether a path has a route that takes connections over. */
  upgrades(path: string): boolean {
    return this.tree.find(path)?.methods.has(upgradeMethod) === true;
  }

  /** @internal From the outermost to the innermost. */
  middlewareAround(): readonly Middleware[] {
    return this.above === undefined
      ? this.middleware
      : [...this.above.middlewareAround(), ...this.middleware];
  }

  private add(method: string, path: string, handle: Handle, options: RouteOptions): this {
    this.tree.add(method, this.prefix + path, new OwnRoute(this, handle, options));
    return this;
  }
}

function* notFound(): Coroutine<ServerResponse> {
  throw new HttpError(404);
}

function* methodNotAllowed(request: ServerRequest): Coroutine<ServerResponse> {
  const methods = new Set(request.allowed);
  if (methods.has("GET")) methods.add("HEAD");
  if (methods.delete(upgradeMethod)) {
    if (methods.size === 0) {
      throw new HttpError(426, "This path speaks another protocol only.", {
        headers: { upgrade: "websocket", connection: "upgrade" },
      });
    }
  }
  throw new HttpError(405, undefined, { headers: { allow: [...methods].sort().join(", ") } });
}
