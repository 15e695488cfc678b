/**
 * The process of one contestant in one scenario: `performer.js CONTESTANT SCENARIO`, told by lines on its standard input.
 *
 * Invariant: it does nothing between one performance and the next, so that whoever's turn it is has the machine.
 */
import { createInterface } from "node:readline";
import { contestants } from "./contestants.ts";
import { collectGarbage } from "./heap.ts";
import { scenarios } from "./scenarios.ts";

export interface Order {
  readonly size: number;
  /** How many times in a row are timed together. */
  readonly times: number;
}

/** What the performances took together, in milliseconds, and what each of them gave. */
export interface Performed {
  readonly wall: number;
  readonly cpu: number;
  readonly result: number;
}

export type Answer = Performed | { readonly error: string };

const [, , contestantName, scenarioId] = process.argv;
const contestant = contestants.find(({ name }) => name === contestantName);
const { performances } = (await contestant?.load()) ?? { performances: {} };
const perform = performances[scenarioId ?? ""];

const isBytes = scenarios.find(({ id }) => id === scenarioId)?.unit === "B";

async function carryOut({ size, times }: Order): Promise<Performed> {
  if (perform === undefined) {
    throw new Error(`${String(contestantName)} has no version of ${String(scenarioId)}.`);
  }
  collectGarbage();
  // Not timed: a collection makes engines forget the code they have compiled for objects of which none is left, and how
  // soon they compile it again is not what is measured.
  const result = await perform(size);
  const cpuBefore = process.cpuUsage();
  const started = performance.now();
  for (let time = 0; time < times; time++) {
    const again = await perform(size);
    if (again !== result && !isBytes)
      throw new Error(`It gave ${String(result)} first, then ${String(again)}.`);
  }
  const wall = performance.now() - started;
  const { user, system } = process.cpuUsage(cpuBefore);
  return { wall, cpu: (user + system) / 1000, result };
}

process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  const answer: Answer = await carryOut(JSON.parse(line) as Order).catch((error: unknown) => ({
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  }));
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
