/**
 * `npx -y pnpm@12 bench:clients`: processor time of a request, for our client session and for the clients one would pick
 * instead, against the same server.
 *
 * Each has a process of its own, they take turns within each round, and medians count.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { parseArgs, styleText } from "node:util";
import { median } from "../measure.ts";

const { values } = parseArgs({
  options: { quick: { type: "boolean", default: false }, json: { type: "boolean", default: false } },
});

const names = ["undici", "kernel", "native", "fetch", "axios", "got", "ky"] as const;
type Name = (typeof names)[number];
/** How many times ours may cost what a peer does. */
const goals: readonly (readonly [peer: Name, most: number])[] = [
  ["undici", 1 / 0.85],
  ["fetch", 1 / 4],
  ["axios", 1 / 8],
  ["got", 1 / 8],
  ["ky", 1 / 8],
];
const atOnce = [1, 50] as const;
const requests = values.quick ? 2_000 : 5_000;
const rounds = values.quick ? 3 : 7;
const warmUps = 2;

/** A process that answers each line with one. */
class Talker {
  private readonly process: ChildProcess;
  private readonly lines: AsyncIterator<string>;

  constructor(file: string, ...args: string[]) {
    this.process = spawn(process.execPath, [new URL(file, import.meta.url).pathname, ...args], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.lines = createInterface({ input: this.process.stdout as NodeJS.ReadableStream })[
      Symbol.asyncIterator
    ]();
  }

  async heard(): Promise<number> {
    const line = await this.lines.next();
    if (line.done === true) throw new Error("A contestant has ended.");
    return Number(line.value);
  }

  async ask(line: string): Promise<number> {
    this.process.stdin?.write(`${line}\n`);
    return await this.heard();
  }

  end(): void {
    this.process.stdin?.end();
  }
}

const server = new Talker("servers/node.js");
const url = `http://127.0.0.1:${String(await server.heard())}/users/1`;
const clients = names.map((name) => [name, new Talker("client-performer.js", name, url)] as const);
const results: Record<string, Record<string, number>> = {};
for (const count of atOnce) {
  const figures = new Map<Name, number[]>(names.map((name) => [name, []]));
  for (let round = 0; round < warmUps + rounds; round++) {
    console.error(`${String(count)} at a time, round ${String(round + 1)} of ${String(warmUps + rounds)}`);
    for (const [name, client] of clients) {
      const figure = await client.ask(`${String(requests)} ${String(count)}`);
      if (round >= warmUps) figures.get(name)?.push(figure);
    }
  }
  results[`${String(count)} at a time`] = Object.fromEntries(
    names.map((name) => [name, median(figures.get(name) ?? [])]),
  );
}
for (const [, client] of clients) client.end();
server.end();

if (values.json) {
  console.log(JSON.stringify(results, undefined, 2));
} else {
  console.log(`Processor time of a GET of JSON; medians of ${String(rounds)} rounds of ${String(requests)}`);
  for (const [title, figures] of Object.entries(results)) {
    console.log(`\n${styleText("bold", title.padEnd(24))}    µs   ÷ kernel`);
    const ours = figures["kernel"] ?? NaN;
    for (const [name, figure] of Object.entries(figures)) {
      console.log(`  ${name.padEnd(22)}${figure.toFixed(1).padStart(6)}   ${(figure / ours).toFixed(2)}`);
    }
    for (const [peer, most] of goals) {
      const verdict =
        ours <= most * (figures[peer] ?? NaN) ? styleText("green", "met") : styleText("red", "MISSED");
      console.log(`  at most ${most.toFixed(2)} of ${peer}: ${verdict}`);
    }
  }
}
