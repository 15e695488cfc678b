/**
 * A run told so that a person can follow it: who ran when, what for, and where that is written.
 *
 * Invariant: one line for each stretch in which the same task went on; a line that departs from the usual order is marked.
 */
import type { CancelScope, Task } from "@anyloop/core";
import { inspect, type Instrument } from "@anyloop/core/lowlevel";
import type { Choice, ReadyStep, Witness } from "./explorer-loop.ts";

interface Line {
  readonly who: string;
  /** What it says of somebody of whom nothing else is known. */
  readonly otherwise: string;
  readonly insteadOf: string | undefined;
  readonly did: string[];
  /** How far it came, if it was interrupted there. */
  reached: string | undefined;
}

const departs = "▸";

const longestBrief = 100;

/** Lines that are told of the beginning and of the end of a long run. */
const longestEnd = 100;

/** What an error says, in one line. */
export function brief(error: unknown): string {
  if (error instanceof Error) {
    const [line = ""] = `${error.name}: ${error.message}`.split("\n", 1);
    return line.length > longestBrief ? `${line.slice(0, longestBrief)}…` : line;
  }
  return typeof error === "string" ? error : Object.prototype.toString.call(error);
}

export class ScheduleTrace implements Witness, Instrument {
  private readonly lines: Line[] = [];
  /** Whose step was the last, while it is not known how it ended. */
  private stepping: Task<unknown> | undefined = undefined;
  private readonly spawned = new WeakSet<object>();
  private settled = true;
  private isOver = false;
  /** Between `chosen` and `done`. */
  private isHappening = false;

  chosen(choice: Choice, insteadOf: Choice | undefined): void {
    this.finish();
    const who = nameOf(choice);
    if (insteadOf !== undefined || this.lines.at(-1)?.who !== who)
      this.begin(
        who,
        insteadOf === undefined ? undefined : nameOf(insteadOf),
        choice.kind === "step" ? "takes a step" : "",
      );
    this.isHappening = true;
    if (choice.kind === "time") this.say(`moves on to ${String(choice.to)} ms`);
    if (choice.kind !== "step") return;
    this.stepping = choice.runnable.task as Task<unknown>;
    this.settled = false;
  }

  scheduled(step: ReadyStep, byItself: boolean): void {
    const task = step.runnable.task as Task<unknown>;
    if (byItself) {
      this.settled = true;
      const place = placeIn(new Error().stack?.split("\n") ?? []);
      if (step.gaveWay) this.say(`gives way${at(place)}`);
      else if (place !== undefined) this.reach(place);
    } else if (!this.spawned.delete(task)) {
      this.say(`wakes ${called(task)}`);
    }
  }

  done(): void {
    // How a step of an async body has ended is known only when something else begins.
    this.isHappening = false;
  }

  deadlocked(): void {
    this.finish();
    this.begin("nobody", undefined);
    this.say("can go on: a deadlock");
    // How the run is taken down after that is not what anybody looks for.
    this.isOver = true;
  }

  taskSpawned(task: Task<unknown>): void {
    if (this.lines.length === 0) return;
    this.spawned.add(task);
    this.say(`starts ${called(task)}`);
  }

  taskExited(task: Task<unknown>): void {
    if (task === this.stepping) this.settled = true;
    const { status } = task;
    const how =
      status === "finished"
        ? "ends"
        : status === "failed"
          ? `fails with ${brief(task.error)}`
          : "ends, cancelled";
    this.say(how);
  }

  scopeCancelled(scope: CancelScope | Task<unknown>): void {
    if (!this.isHappening) this.begin("the explorer", undefined);
    this.say(`cancels ${"join" in scope ? called(scope) : `the scope ${JSON.stringify(scope.name)}`}`);
  }

  toString(): string {
    this.finish();
    const { lines } = this;
    const width = Math.max(...lines.map(({ who }) => who.length));
    const told = lines.map((line, index) => `${String(index + 1).padStart(4)} ${lineToString(line, width)}`);
    const left = told.length - 2 * longestEnd;
    if (left > 0) told.splice(longestEnd, left, `     … ${String(left)} lines more …`);
    return told.join("\n");
  }

  private finish(): void {
    const { stepping } = this;
    this.stepping = undefined;
    if (stepping === undefined || this.settled) return;
    const { waitingFor, places } = inspect(stepping);
    const reasons = waitingFor.filter((reason) => reason !== "an async body");
    if (reasons.length > 0) this.say(`waits for ${reasons.join(" and ")}${at(placeIn(places))}`);
  }

  private begin(who: string, insteadOf: string | undefined, otherwise = ""): void {
    if (!this.isOver) this.lines.push({ who, otherwise, insteadOf, did: [], reached: undefined });
  }

  private say(what: string): void {
    const line = this.lines.at(-1);
    if (line === undefined || this.isOver) return;
    line.reached = undefined;
    // Whoever goes round in circles says the same thousands of times.
    if (line.did.at(-1) !== what) line.did.push(what);
  }

  private reach(place: string): void {
    const line = this.lines.at(-1);
    if (line !== undefined && !this.isOver) line.reached = place;
  }
}

function lineToString({ who, otherwise, insteadOf, did, reached }: Line, width: number): string {
  const mark = insteadOf === undefined ? " " : departs;
  const instead = insteadOf === undefined ? "" : `   (ahead of ${insteadOf})`;
  const done = [...did, ...(reached === undefined ? [] : [`comes as far as ${reached}`])].join("; ");
  return `${mark} ${who.padEnd(width)}  ${done || otherwise}${instead}`.trimEnd();
}

function at(place: string | undefined): string {
  return place === undefined ? "" : ` at ${place}`;
}

function called(task: Task<unknown>): string {
  return task.name === `task ${String(task.id)}` ? task.name : `${task.name}#${String(task.id)}`;
}

const names = { timer: "a timer", time: "the clock", cancel: "cancellation", wait: "the host" };

function nameOf(choice: Choice): string {
  if (choice.kind === "step") return called(choice.runnable.task as Task<unknown>);
  return choice.kind === "timer" && choice.cancels ? "a deadline" : names[choice.kind];
}

/** anyloop itself, and what engines put in between: what is looked for is the code that uses it. */
const machine =
  /[\\/](?:@anyloop|packages)[\\/](?:core|kernel|native|testing)[\\/](?:src|dist)[\\/]|Generator\.next|^Error/;

/** File, line and column of the first line of a trace that is a user's. */
function placeIn(trace: readonly string[]): string | undefined {
  const line = trace.find((text) => text.trim() !== "" && !machine.test(text));
  return /([^/\\(\s]+?)(?:\?[^:]*)?(:\d+:\d+)\)?$/
    .exec(line ?? "")
    ?.slice(1, 3)
    .join("");
}
