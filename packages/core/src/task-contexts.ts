/** The ambient context of each `startSoon`, kept where a run was asked to (`asyncContext: "task"`). */
import { type Ambient, storage } from "./ambient.ts";

type Enter = (body: () => void) => void;

export class TaskContexts {
  private readonly marker: Ambient;
  private readonly contexts = new WeakMap<object, Enter>();

  constructor(marker: Ambient) {
    this.marker = marker;
  }

  /** Keeps the context of this moment for a task, under the marker of the run. */
  capture(task: object): void {
    const context = storage?.run(this.marker, () => storage?.snapshot());
    if (context !== undefined) this.contexts.set(task, context);
  }

  enter(task: object, body: () => void): void {
    const context = this.contexts.get(task);
    if (context === undefined) body();
    else context(body);
  }
}
