/** An application: routes, typed storage, and what has to be there while it serves. */
import { type Handler, type TaskStatus, UsageError } from "@anyloop/core";
import { Router } from "./router.ts";
import { Storage, type StorageKey } from "./storage.ts";

/** Something that lives as long as the server does: a task that says when it is ready, and is cancelled at the end. */
export type Provider<T> = Handler<[status: TaskStatus<T>, application: Application]>;

export interface Provided {
  readonly key: StorageKey<unknown>;
  readonly provider: Provider<unknown>;
}

/**
 * ```ts
 * import { Application, ServerResponse } from "@anyloop/http/server";
 * const app = new Application();
 * app.get("/users/:id", function* (request) {
 *   return ServerResponse.json({ id: request.params.id });
 * });
 * ```
 */
export class Application extends Router {
  /** Values by typed keys, for handlers too: `request.storage` looks here. */
  readonly storage: Storage = new Storage();
  /** @internal In the order in which they start. */
  readonly provided: Provided[] = [];

  /**
   * Starts a task with the server and stores what it calls `started` with. Requests are served once all tasks have
   * started; when the last one is answered they are cancelled and waited for, one by one, the last first. One that fails
   * ends the server with its error.
   *
   * ```ts
   * import { sleepForever, use } from "anyloop";
   * import { Application, StorageKey } from "@anyloop/http/server";
   * const pool = new StorageKey<{ close(): void }>("pool");
   * const app = new Application();
   * app.provide(pool, function* (status) {
   *   yield* use({ close() {} }, function* (opened) {
   *     status.started(opened);
   *     yield* sleepForever();
   *   });
   * });
   * ```
   */
  provide<T>(key: StorageKey<T>, provider: Provider<T>): this {
    if (typeof provider !== "function")
      throw new UsageError("provide() takes a key and a body (status) => ….");
    this.provided.push({ key, provider: provider });
    return this;
  }
}
