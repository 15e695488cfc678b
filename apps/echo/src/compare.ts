/**
 * The comparison: one load against the same server in each style, in turn, several times; what counts is the CPU time of
 * the server for each request, and the ratio to `node:net` callbacks in the same round.
 */
import { Contestant, type Scenario } from "./contest.ts";
import { type SubjectName, subjectNames } from "./subjects.ts";

export interface CompareOptions {
  /** Fewer styles and rounds: well under a minute. */
  readonly quick: boolean;
  /** Told what is being measured. */
  readonly tell: (line: string) => void;
}

interface Standing {
  readonly server: SubjectName;
  /** Microseconds of CPU time of the server's process for each message or line; the median of the rounds. */
  readonly cpuPerRequest: number;
  readonly requestsPerSecond: number;
  /** How many times as much `callbacks` takes: above 1 it is cheaper than raw `node:net`. */
  readonly toCallbacks: number;
  /** The same for `for await` with awaited writes. */
  readonly toForAwait: number;
}

export interface Comparison {
  readonly scenario: Scenario;
  readonly standings: readonly Standing[];
}

/** Connections that say nothing. */
export interface Idleness {
  readonly server: SubjectName;
  readonly connections: number;
  /** Kilobytes of the server's memory for each. */
  readonly kilobytesPerConnection: number;
  /** Of so many of them, asked at the end, this many answered. */
  readonly answered: string;
}

const messages = (connections: number): Scenario => ({
  name: `${connections} ${connections === 1 ? "connection" : "connections"}, messages of 1 000 bytes`,
  protocol: "messages",
  connections,
  size: 1_000,
  pipelined: 1,
});

const lines: Scenario = {
  name: "100 connections, 16 pipelined lines of 100 bytes",
  protocol: "lines",
  connections: 100,
  size: 100,
  pipelined: 16,
};

const scenarios: readonly Scenario[] = [messages(1), messages(10), messages(100), messages(1_000), lines];

const full = { subjects: subjectNames, rounds: 11, milliseconds: 400, warmUp: 1_200 };
const quick = {
  subjects: ["callbacks", "for await", "kernel", "native"] as const satisfies readonly SubjectName[],
  rounds: 5,
  milliseconds: 150,
  warmUp: 500,
};

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/** Of each round's figures to those of the same round, so that what disturbs one disturbs the other. */
function ratio(from: Contestant | undefined, to: Contestant): number {
  return median(
    to.rounds.map(({ cpuPerRequest }, index) => (from?.rounds[index]?.cpuPerRequest ?? 0) / cpuPerRequest),
  );
}

function standingsOf(contestants: readonly Contestant[]): Standing[] {
  const named = (name: SubjectName): Contestant | undefined =>
    contestants.find((contestant) => contestant.name === name);
  return contestants.map((contestant) => ({
    server: contestant.name,
    cpuPerRequest: median(contestant.rounds.map(({ cpuPerRequest }) => cpuPerRequest)),
    requestsPerSecond: median(
      contestant.rounds.map(({ requests, milliseconds }) => (requests / milliseconds) * 1_000),
    ),
    toCallbacks: ratio(named("callbacks"), contestant),
    toForAwait: ratio(named("for await"), contestant),
  }));
}

export async function compare(options: CompareOptions): Promise<Comparison[]> {
  const { subjects, rounds, milliseconds, warmUp } = options.quick ? quick : full;
  const comparisons: Comparison[] = [];
  for (const scenario of scenarios) {
    options.tell(scenario.name);
    const contestants: Contestant[] = [];
    try {
      for (const subject of subjects) contestants.push(await Contestant.start(subject, scenario));
      for (const contestant of contestants) await contestant.round(warmUp, true);
      for (let round = 0; round < rounds; round++) {
        for (const contestant of contestants) await contestant.round(milliseconds);
      }
    } finally {
      for (const contestant of contestants) await contestant[Symbol.asyncDispose]();
    }
    comparisons.push({ scenario, standings: standingsOf(contestants) });
  }
  return comparisons;
}

const idleConnections = { quick: 1_000, full: 10_000 };

/** Holds many connections that say nothing, and sees whether they are still there. */
export async function holdIdle(options: CompareOptions): Promise<Idleness[]> {
  const connections = options.quick ? idleConnections.quick : idleConnections.full;
  const held: Idleness[] = [];
  for (const server of ["callbacks", "kernel"] as const) {
    options.tell(`${connections} idle connections, ${server}`);
    const contestant = await Contestant.start(server, { ...messages(0), size: 100 });
    try {
      held.push({ server, connections, ...(await contestant.holdIdle(connections)) });
    } finally {
      await contestant[Symbol.asyncDispose]();
    }
  }
  return held;
}
