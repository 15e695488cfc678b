/** Who waits for what, and where that was written: the text of a `DeadlockError` and the data of `inspect`. */
import type { CancelNode } from "./cancel-tree.ts";
import { waitingSince } from "./debug.ts";
import type { Strand } from "./strand.ts";
import type { TaskStrand } from "./task.ts";
import { type TaskState } from "./task.ts";

/** A task, as `inspect` shows it. */
export interface TaskReport {
  readonly id: number;
  readonly name: string;
  readonly status: TaskState;
  /** What it waits for, one entry for each operation under way (an async body may have several). */
  readonly waitingFor: readonly string[];
  /** When it began to wait, on the loop's clock in milliseconds; known in debug mode (`setDebug`). */
  readonly waitingSince: number | undefined;
  /** Where its generators stand, innermost first, as lines of a stack trace. */
  readonly places: readonly string[];
  readonly children: readonly TaskReport[];
}

class Draft implements TaskReport {
  readonly id: number;
  readonly name: string;
  readonly status: TaskState;
  readonly waitingFor: string[] = [];
  readonly children: Draft[] = [];
  readonly strands: Strand[] = [];

  constructor(task: TaskStrand) {
    this.id = task.id;
    this.name = task.name;
    this.status = task.status;
  }

  /** Looked up when asked for: a trace costs more than all the rest. */
  get places(): readonly string[] {
    return this.strands.flatMap((strand) => strand.places());
  }

  get waitingSince(): number | undefined {
    return this.strands.map(waitingSince).find((since) => since !== undefined);
  }

  toJSON(): TaskReport {
    const { id, name, status, waitingFor, waitingSince: since, places, children } = this;
    return { id, name, status, waitingFor, waitingSince: since, places, children };
  }
}

/** Also one of another copy of core, whose class is not ours. */
export function isStrand(node: object): node is Strand {
  return "resumption" in node;
}

/** The tree of living tasks below one of them. */
export function reportOf(task: TaskStrand): TaskReport {
  const drafts = new Map<TaskStrand, Draft>();
  const draftOf = (at: TaskStrand): Draft => {
    let draft = drafts.get(at);
    if (draft === undefined) {
      draft = new Draft(at);
      drafts.set(at, draft);
      if (at !== task && at.parent !== undefined) draftOf(at.parent).children.push(draft);
    }
    return draft;
  };
  const nodes: CancelNode[] = [task];
  for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
    if (isStrand(node)) {
      const draft = draftOf(node.task);
      if (node.waiting !== undefined) draft.waitingFor.push(node.waiting.label);
      draft.strands.push(node);
    }
    nodes.push(...[...node.members()].reverse());
  }
  return draftOf(task);
}

/** Every blocked task of a run, in words. */
export function describeBlocked(main: TaskStrand): string {
  const lines = ["Every task is blocked and nothing is left that could wake one:"];
  const describe = (task: TaskReport, depth: number): void => {
    const indent = "  ".repeat(depth + 1);
    const waiting = task.waitingFor.length === 0 ? "its children" : task.waitingFor.join(" and ");
    lines.push(`${indent}${task.name} (task ${task.id}) waits for ${waiting}`);
    for (const place of task.places) lines.push(`${indent}  ${place}`);
    for (const child of task.children) describe(child, depth + 1);
  };
  describe(reportOf(main), 0);
  return lines.join("\n");
}
