/**
 * Starting what an application provides, and taking it down.
 *
 * Invariant: what is provided first is there before, and until after, all that is provided later; also when the start is
 * called off half way.
 */
import { CancelScope, type Coroutine, type TaskGroup, taskGroup } from "@anyloop/core";
import type { Application, Provided } from "./application.ts";

export class Startup {
  private readonly app: Application;
  private readonly work: () => Coroutine<void>;
  /** Around the provider that has yet to say that it has started. */
  private pending: CancelScope | undefined = undefined;
  private isCalledOff = false;

  /** The work is done while everything is there. */
  constructor(app: Application, work: () => Coroutine<void>) {
    this.app = app;
    this.work = work;
  }

  *run(): Coroutine<void> {
    yield* this.from(0);
  }

  /** Nothing more is started, and what was is taken down. Once everything has started it does nothing. */
  callOff(): void {
    this.isCalledOff = true;
    this.pending?.cancel("the server is to end");
  }

  private *from(index: number): Coroutine<void> {
    if (this.isCalledOff) return;
    const provided = this.app.provided[index];
    if (provided === undefined) yield* this.work();
    else yield* taskGroup((group) => this.with(group, provided, index));
  }

  private *with(group: TaskGroup, { key, provider }: Provided, index: number): Coroutine<void> {
    const { app } = this;
    this.pending = new CancelScope({ name: `provide ${key.name}` });
    const started = yield* this.pending.run(
      group.startTask<unknown>((status) => provider(status, app) as PromiseLike<unknown>, { name: key.name }),
    );
    this.pending = undefined;
    if (started === undefined) return;
    app.storage.set(key, started.value);
    try {
      yield* this.from(index + 1);
    } finally {
      // The group waits for its end.
      started.task.cancel("the server has ended");
      app.storage.delete(key);
    }
  }
}
