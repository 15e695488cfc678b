/**
 * `npx -y pnpm@12 bench:http`: processor time of a request, for our server and for those one would pick instead.
 *
 * As in the other contest each contestant has a process of its own, they take turns within each round, and medians count.
 * What is measured is the server's process alone: the load is this one.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { parseArgs, styleText } from "node:util";
import { median } from "../measure.ts";
import { load } from "./load.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

/** By name: what is run with this Node, or another program and its arguments. */
const contestants: readonly (readonly [name: string, file: string, program?: string])[] = [
  ["node:http", "node.js"],
  ["anyloop, kernel", "anyloop-kernel.js"],
  ["anyloop, native", "anyloop-native.js"],
  ["fastify", "fastify.js"],
  ["hono", "hono.js"],
  ["h3", "h3.js"],
  ["aiohttp", "../../../src/http/servers/aiohttp_server.py", "python3"],
];
const floor = "node:http";
const connections = 50;
const requests = values.quick ? 5_000 : 15_000;
const rounds = values.quick ? 3 : 7;
const warmUps = 2;

/** About 1 kB. */
const body = JSON.stringify({
  items: Array.from({ length: 18 }, (_, id) => ({ id, name: `item number ${String(id)}`, inStock: true })),
});
const common = "Host: localhost\r\nUser-Agent: load\r\nAccept: */*\r\n";
const tasks = {
  GET: Buffer.from(`GET /users/1 HTTP/1.1\r\n${common}\r\n`),
  "POST 1 kB JSON": Buffer.from(
    `POST /json HTTP/1.1\r\n${common}Content-Type: application/json\r\nContent-Length: ${String(body.length)}\r\n\r\n${body}`,
  ),
};
type TaskName = keyof typeof tasks;

class Contestant {
  readonly name: string;
  readonly figures: Record<TaskName, number[]> = { GET: [], "POST 1 kB JSON": [] };
  private readonly process: ChildProcess;
  /** Its first line says where it listens. Asked for at once: of one that ends before that nothing comes later. */
  private readonly firstLine: Promise<IteratorResult<string, undefined>>;
  private port = 0;

  constructor(name: string, file: string, program = process.execPath) {
    this.name = name;
    this.process = spawn(program, [new URL(`servers/${file}`, import.meta.url).pathname], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    this.process.on("error", () => {});
    const output = this.process.stdout as Readable;
    this.firstLine = createInterface({ input: output })[Symbol.asyncIterator]().next();
  }

  /** False if it cannot take part here. */
  async ready(): Promise<boolean> {
    const { value, done } = await this.firstLine;
    this.port = Number(value);
    return done !== true;
  }

  /** Microseconds a request. */
  async perform(task: TaskName): Promise<number> {
    const before = await this.cpuTime();
    await load(this.port, tasks[task], requests, connections);
    return ((await this.cpuTime()) - before) / requests;
  }

  async end(): Promise<void> {
    if (this.process.exitCode !== null) return;
    const exited = once(this.process, "exit");
    this.process.stdin?.end();
    await exited;
  }

  private async cpuTime(): Promise<number> {
    return Number(await (await fetch(`http://127.0.0.1:${String(this.port)}/cpu`)).text());
  }
}

const all = contestants
  .filter(([name]) => values.only === undefined || name.includes(values.only) || name === floor)
  .map((contestant) => new Contestant(...contestant));
const able: Contestant[] = [];
for (const contestant of all) {
  if (await contestant.ready()) able.push(contestant);
  else console.error(`${contestant.name} is not installed here, and does not take part.`);
}
for (let round = 0; round < warmUps + rounds; round++) {
  console.error(`round ${String(round + 1)} of ${String(warmUps + rounds)}`);
  for (const task of Object.keys(tasks) as TaskName[]) {
    for (let place = 0; place < able.length; place++) {
      const contestant = able[(round + place) % able.length] as Contestant;
      const figure = await contestant.perform(task);
      if (round >= warmUps) contestant.figures[task].push(figure);
    }
  }
}
await Promise.all(able.map((contestant) => contestant.end()));

const results = Object.fromEntries(
  (Object.keys(tasks) as TaskName[]).map((task) => [
    task,
    Object.fromEntries(able.map(({ name, figures }) => [name, median(figures[task])])),
  ]),
);
if (values.json) {
  console.log(JSON.stringify(results, undefined, 2));
} else {
  console.log(
    `Processor time of a request, ${String(connections)} at a time; medians of ${String(rounds)} rounds`,
  );
  for (const [task, figures] of Object.entries(results)) {
    console.log(`\n${styleText("bold", task.padEnd(24))}    µs   ÷ ${floor}`);
    for (const [name, figure] of Object.entries(figures)) {
      console.log(
        `  ${name.padEnd(22)}${figure.toFixed(1).padStart(6)}   ${(figure / (figures[floor] ?? NaN)).toFixed(2)}`,
      );
    }
  }
}
