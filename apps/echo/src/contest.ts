/**
 * One of the compared servers, in a process of its own, with clients that load it and its CPU time.
 *
 * Invariant: the clients are plain callbacks in this process, the same for every server, and none has more than one batch
 * of requests under way; only the server's own CPU time counts, so a busy machine disturbs the figures less.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { Listening, Usage } from "./subject-process.ts";
import type { SubjectName } from "./subjects.ts";

/** What is asked of a server. */
export interface Scenario {
  readonly name: string;
  readonly protocol: "messages" | "lines";
  readonly connections: number;
  /** Bytes of one message or line. */
  readonly size: number;
  /** Messages or lines that are sent in one write. */
  readonly pipelined: number;
}

export interface Round {
  readonly requests: number;
  readonly milliseconds: number;
  /** CPU time of the server, microseconds for each message or line. */
  readonly cpuPerRequest: number;
}

/** Sends a batch, waits until as many bytes have come back, and again. */
class Client {
  answered = 0;
  private readonly socket: Socket;
  private readonly batch: Buffer;
  private missing = 0;
  private isRunning = false;

  constructor(socket: Socket, { protocol, size, pipelined }: Scenario) {
    this.socket = socket;
    const message = "x".repeat(size - 1) + (protocol === "lines" ? "\n" : "x");
    this.batch = Buffer.from(message.repeat(pipelined));
    socket.on("data", (data) => {
      this.missing -= data.length;
      if (this.missing > 0) return;
      this.answered += pipelined;
      if (this.isRunning) this.ask();
    });
  }

  start(): void {
    this.isRunning = true;
    this.ask();
  }

  stop(): void {
    this.isRunning = false;
  }

  get isIdle(): boolean {
    return this.missing <= 0;
  }

  close(): void {
    this.socket.destroy();
  }

  private ask(): void {
    this.missing = this.batch.length;
    this.socket.write(this.batch);
  }
}

const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });

/** What a server says next. */
function answerOf<T>(child: ChildProcess, name: SubjectName): Promise<T> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void =>
      reject(new Error(`The server ${JSON.stringify(name)} has ended with code ${String(code)}.`));
    child.once("exit", onExit);
    child.once("message", (message) => {
      child.off("exit", onExit);
      resolve(message as T);
    });
  });
}

export class Contestant implements AsyncDisposable {
  readonly name: SubjectName;
  readonly rounds: Round[] = [];
  private readonly child: ChildProcess;
  private readonly port: number;
  private readonly scenario: Scenario;
  private clients: readonly Client[] = [];

  private constructor(name: SubjectName, child: ChildProcess, port: number, scenario: Scenario) {
    this.name = name;
    this.child = child;
    this.port = port;
    this.scenario = scenario;
  }

  static async start(name: SubjectName, scenario: Scenario): Promise<Contestant> {
    const child = fork(new URL("./subject-process.ts", import.meta.url), [name, scenario.protocol], {
      execArgv: process.execArgv,
    });
    const { port } = await answerOf<Listening>(child, name);
    const contestant = new Contestant(name, child, port, scenario);
    contestant.clients = await contestant.connect(scenario.connections);
    return contestant;
  }

  /** Loads the server for so long; the figures of a warm-up are not kept. */
  async round(milliseconds: number, isWarmUp = false): Promise<void> {
    const { clients } = this;
    for (const client of clients) client.answered = 0;
    const before = await this.usage();
    const started = performance.now();
    for (const client of clients) client.start();
    await pause(milliseconds);
    for (const client of clients) client.stop();
    while (!clients.every(({ isIdle }) => isIdle)) await pause(1);
    const elapsed = performance.now() - started;
    const cpu = (await this.usage()).cpu - before.cpu;
    const requests = clients.reduce((sum, { answered }) => sum + answered, 0);
    if (!isWarmUp) this.rounds.push({ requests, milliseconds: elapsed, cpuPerRequest: cpu / requests });
  }

  /** Opens so many connections, leaves them alone for a while, and asks every hundredth whether it is still there. */
  async holdIdle(connections: number): Promise<{ kilobytesPerConnection: number; answered: string }> {
    const before = await this.usage();
    this.clients = await this.connect(connections);
    await pause(1_000);
    const after = await this.usage();
    const asked = this.clients.filter((_, index) => index % 100 === 0);
    for (const client of asked) {
      client.start();
      client.stop();
    }
    await pause(500);
    const answered = asked.filter(({ isIdle }) => isIdle).length;
    return {
      kilobytesPerConnection: (after.memory - before.memory) / 1_024 / connections,
      answered: `${answered} of ${asked.length}`,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.clients) client.close();
    this.child.disconnect();
    await once(this.child, "exit");
  }

  private async connect(connections: number): Promise<Client[]> {
    const clients: Client[] = [];
    for (let count = 0; count < connections; count++) {
      const socket = connect({ host: "127.0.0.1", port: this.port, noDelay: true });
      await once(socket, "connect");
      clients.push(new Client(socket, this.scenario));
    }
    return clients;
  }

  private async usage(): Promise<Usage> {
    const answer = answerOf<Usage>(this.child, this.name);
    this.child.send("usage");
    return await answer;
  }
}
