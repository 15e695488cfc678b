/** One run of a body under one schedule: what was decided, and how it ended. */
import { AnyloopError, type AnyWork, run, UsageError } from "@anyloop/core";
import type { Instrument } from "@anyloop/core/lowlevel";
import { kernel } from "@anyloop/kernel";
import { type Chooser, Explorer, type Witness } from "./explorer-loop.ts";
import type { Conditions, Decision } from "./schedule.ts";
import { type Explored, Victims } from "./victim.ts";

export interface Attempt {
  readonly decisions: readonly Decision[];
  /** What the body threw; undefined if it did what it should. */
  readonly failure: { readonly error: unknown } | undefined;
  readonly wasCancelled: boolean;
  /** Whether the body took the `victim` it was given. */
  readonly usedVictim: boolean;
}

/** A run went on and on, or left something behind. */
export class RunawayError extends AnyloopError {
  override readonly name: string = "RunawayError";
  readonly code: string = "RUNAWAY";
}

/** Happenings in one run after which it counts as endless, if nothing else is said. */
export const defaultSteps = 10_000;

export interface AttemptOptions extends Conditions {
  /** Happenings in one run after which it counts as endless. */
  readonly steps: number;
  /** Performed after the run; its failure is the run's. */
  readonly check?: AnyWork | undefined;
  readonly witness?: (Witness & Instrument) | undefined;
}

export async function attempt(body: Explored, chooser: Chooser, options: AttemptOptions): Promise<Attempt> {
  if (
    typeof body !== "function" &&
    typeof (body as Partial<PromiseLike<unknown>> | undefined)?.then !== "function"
  ) {
    throw new UsageError("The body is an operation or a function. Pass the function itself.");
  }
  const decisions: Decision[] = [];
  const victims = new Victims();
  const stop = new AbortController();
  const endless = new RunawayError(
    `The run has not ended after ${String(options.steps)} steps. Something goes round in circles; ` +
      "if it really needs more, raise the option `steps`.",
  );
  let giveUp: ((error: unknown) => void) | undefined;
  const givenUp = new Promise<never>((_resolve, reject) => {
    giveUp = reject;
  });
  const explorer = new Explorer({
    chooser: {
      choose(choices) {
        const chosen = chooser.choose(choices);
        decisions.push({ chosen, of: choices.length });
        return chosen;
      },
    },
    stallMs: options.stallMs,
    limit: options.steps,
    canCancel: () => victims.canCancel,
    cancel: victims.cancel,
    limitReached(givesUp) {
      if (givesUp) giveUp?.(endless);
      else stop.abort(endless);
    },
    witness: options.witness,
  });
  const running = run(mainOf(body, victims, options.cancelsAll), {
    backend: explorer,
    signal: stop.signal,
    name: typeof body === "function" && body.name !== "" ? body.name : "main",
  });
  let failure: Attempt["failure"];
  try {
    await Promise.race([running, givenUp]);
    failure = leftBehind(explorer);
    if (options.check !== undefined) await run(options.check, { backend: kernel() });
  } catch (error) {
    failure = { error };
  }
  return { decisions, failure, wasCancelled: victims.wasCancelled, usedVictim: victims.isUsed };
}

function mainOf(body: Explored, victims: Victims, cancelsAll: boolean): () => unknown {
  const { victim } = victims;
  const main = typeof body === "function" ? (): unknown => body(victim) : (): unknown => body;
  return cancelsAll ? () => victim(main) : main;
}

/** Core takes a timer and a hold back with the operation that had asked for it; an operation of somebody else may forget. */
function leftBehind({ loop }: Explorer): Attempt["failure"] {
  const left = [
    ...(loop === undefined || loop.timers.length === 0 ? [] : [`${String(loop.timers.length)} timers`]),
    ...(loop === undefined || loop.holds === 0
      ? []
      : [`${String(loop.holds)} wake-ups that the host owes it`]),
  ];
  if (left.length === 0) return undefined;
  return {
    error: new RunawayError(
      `The run has ended and left behind: ${left.join(", ")}. An operation has forgotten to take them back.`,
    ),
  };
}
