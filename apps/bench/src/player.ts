/** One contestant's process, seen from the referee: given orders, it answers with what it took. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Answer, Order, Performed } from "./performer.ts";
import type { Runtime } from "./runtime.ts";

const performer = new URL("performer.js", import.meta.url);

export class Player {
  readonly contestant: string;
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(contestant: string, runtime: Runtime, scenario: string) {
    this.contestant = contestant;
    this.#process = spawn(runtime.command, [...runtime.args, performer.pathname, contestant, scenario], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    if (this.#process.stdout === null) throw new Error("A player has no standard output.");
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  async #answer(): Promise<string> {
    const line = await this.#lines.next();
    if (line.done === true) throw new Error(`The process of ${this.contestant} ended before it answered.`);
    return line.value;
  }

  async ready(): Promise<void> {
    await this.#answer();
  }

  async perform(order: Order): Promise<Performed> {
    this.#process.stdin?.write(`${JSON.stringify(order)}\n`);
    const answer = JSON.parse(await this.#answer()) as Answer;
    if ("error" in answer) throw new Error(`${this.contestant}: ${answer.error}`);
    return answer;
  }

  async end(): Promise<void> {
    const exited = this.#process.exitCode === null ? once(this.#process, "exit") : undefined;
    this.#process.kill();
    await exited;
  }
}
