/**
 * What happens to brokers, done to a real one: its server is killed and started again, connections are cut, a process
 * that works is killed. Every message must be processed at least once; those processed again are counted.
 */
import assert from "node:assert/strict";
import {
  all,
  BrokenResourceError,
  ClosedResourceError,
  type Coroutine,
  EndOfStream,
  Event,
  failAfter,
  linesOf,
  type Operation,
  operation,
  sleep,
  sleepForever,
  type TaskGroup,
  taskGroup,
  use,
} from "@anyloop/core";
import { connectTcp, listenTcp, openProcess, type TcpListener, type TcpStream } from "@anyloop/io";
import { everyBackend, type TestCase } from "@anyloop/testing";
import { BrokerError } from "./errors.ts";
import { forEachDelivery } from "./for-each-delivery.ts";
import type { LocalServer } from "./local-server.ts";
import type { WorkQueue, WorkQueueOptions } from "./work-queue.ts";

/** A broker that may be harmed. */
export interface BrokerToHarm {
  /** A server of the test's own. */
  open(): Operation<LocalServer>;
  /** The queue of that name, over a server on that port of this machine. */
  queue(
    port: number,
    name: string,
    options: WorkQueueOptions<number> & { readonly reconnectFor?: number },
  ): WorkQueue<number>;
  /** A program that takes a port and a queue's name, prints each value that it receives, and never acknowledges one. */
  readonly stuckWorker: readonly [program: string, ...args: string[]];
}

const messages = 400;
const redeliverAfter = 1_500;
/** Milliseconds in which an end is closed, though what it held cannot be given back. */
const soon = 5_000;

/** How often each value was processed. */
class Tally {
  readonly times = new Map<number, number>();

  readonly add = (value: number): void => void this.times.set(value, (this.times.get(value) ?? 0) + 1);

  get duplicates(): number {
    let count = 0;
    for (const times of this.times.values()) count += times - 1;
    return count;
  }
}

const produce = operation(function* produce(queue: WorkQueue<number>): Coroutine<void> {
  yield* use(queue.openSender(), function* (sender) {
    for (let value = 0; value < messages; value++) yield* sender.send(value);
  });
});

const work = operation(function* work(queue: WorkQueue<number>, tally: Tally): Coroutine<void> {
  yield* use(queue.openReceiver(), (receiver) =>
    forEachDelivery(receiver, function* (value) {
      yield* sleep(1);
      tally.add(value);
    }),
  );
});

/** Lets messages flow, does harm when some have, and waits until all have been processed. */
function* flowThrough(
  queue: WorkQueue<number>,
  name: string,
  harm: readonly (() => Operation<void>)[],
): Coroutine<void> {
  const tally = new Tally();
  yield* taskGroup(function* (group) {
    group.startSoon(produce(queue));
    for (let worker = 0; worker < 2; worker++) group.startSoon(work(queue, tally));
    for (const [index, doHarm] of harm.entries()) {
      yield* until(() => tally.times.size >= (messages * (index + 1)) / (harm.length + 1));
      yield* doHarm();
    }
    yield* until(() => tally.times.size === messages);
    group.cancel();
  });
  console.info(`${name}: ${String(messages)} messages processed, ${String(tally.duplicates)} of them again.`);
}

function* until(isSo: () => boolean): Coroutine<void> {
  while (!isSo()) yield* sleep(5);
}

/** Stands between a client and a server, and cuts what goes through it. */
class Proxy {
  readonly port: number;
  private readonly listener: TcpListener;
  private readonly target: number;
  private readonly streams = new Set<TcpStream>();

  constructor(listener: TcpListener, target: number) {
    this.listener = listener;
    this.target = target;
    this.port = listener.addresses[0]?.port ?? 0;
  }

  serve(): Operation<never> {
    return this.listener.serve((stream) => forward(this.streams, stream, this.target));
  }

  /** Cuts every connection there is; gives their number. */
  cut(): number {
    for (const { raw } of this.streams) raw.destroy();
    return this.streams.size;
  }
}

const forward = operation(function* forward(
  streams: Set<TcpStream>,
  client: TcpStream,
  target: number,
): Coroutine<void> {
  streams.add(client);
  try {
    yield* use(connectTcp("127.0.0.1", target), (server) =>
      taskGroup(function* (group) {
        group.startSoon(pump(group, client, server));
        group.startSoon(pump(group, server, client));
      }),
    );
  } finally {
    streams.delete(client);
  }
});

/** Until either side ends, which ends both. */
const pump = operation(function* pump(group: TaskGroup, from: TcpStream, to: TcpStream): Coroutine<void> {
  try {
    for (;;) yield* to.send(yield* from.receive());
  } catch (error) {
    if (!(error instanceof EndOfStream || error instanceof BrokenResourceError)) throw error;
    group.cancel();
  }
});

const faults: readonly { readonly fault: string; body(broker: BrokerToHarm): Coroutine<void> }[] = [
  {
    fault: "the server is killed and started again: every message is processed",
    *body({ open, queue }) {
      yield* use(open(), (server) =>
        flowThrough(queue(server.port, "killed", { redeliverAfter }), this.fault, [
          operation(function* killAndStart() {
            yield* server.kill();
            yield* sleep(200);
            yield* server.start();
          }),
        ]),
      );
    },
  },
  {
    fault: "connections are cut: every message is processed",
    *body({ open, queue }) {
      yield* use(open(), (server) =>
        use(listenTcp(0, { host: "127.0.0.1" }), (listener) =>
          taskGroup(function* (group) {
            const proxy = new Proxy(listener, server.port);
            group.startSoon(proxy.serve(), { daemon: true });
            const cut = operation(function* cut() {
              assert(proxy.cut() >= 2, "There were no connections to cut.");
            });
            yield* flowThrough(queue(proxy.port, "cut", { redeliverAfter }), "connections are cut", [
              cut,
              cut,
              cut,
            ]);
          }),
        ),
      );
    },
  },
  {
    fault: "a process is killed between receiving and acknowledging: another one gets the message",
    *body({ open, queue, stuckWorker }) {
      yield* use(open(), function* (server) {
        const jobs = queue(server.port, "stuck", { redeliverAfter });
        yield* use(jobs.openSender(), (sender) => sender.send(42));
        const command = [...stuckWorker, String(server.port), "stuck"] as const;
        yield* use(openProcess(command, { stdin: "ignore", stderr: "inherit" }), function* (worker) {
          const line = yield* linesOf(worker.stdout).receive();
          assert.equal(line, "42");
          worker.kill();
        });
        yield* use(jobs.openReceiver(), function* (receiver) {
          const delivery = yield* receiver.receive();
          assert.deepEqual([delivery.value, delivery.deliveries], [42, 2]);
          yield* delivery.ack();
        });
      });
    },
  },
  {
    fault: "the server is away: ends are closed all the same, and soon",
    *body({ open, queue }) {
      yield* use(open(), function* (server) {
        const jobs = queue(server.port, "away", { redeliverAfter });
        const [sender, receiver, idle] = [
          yield* jobs.openSender(),
          yield* jobs.openReceiver(),
          yield* jobs.openReceiver(),
        ];
        yield* sender.send(1);
        yield* receiver.receive();
        yield* taskGroup(function* (group) {
          const waiting = group.startSoon(thrownBy(idle.receive()));
          yield* server.kill();
          // Some attempts to reach it have failed by then, and the next is some way off.
          yield* sleep(300);
          yield* failAfter(soon, all([sender.close(), receiver.close(), idle.close()]));
          assert((yield* waiting.join()) instanceof ClosedResourceError);
        });
      });
    },
  },
  {
    fault: "the server is away: a worker that is cancelled ends soon",
    *body({ open, queue }) {
      yield* use(open(), function* (server) {
        const jobs = queue(server.port, "cancelled", { redeliverAfter: 60_000 });
        yield* use(jobs.openSender(), (sender) => sender.send(1));
        yield* taskGroup(function* (group) {
          const begun = new Event();
          const worker = group.startSoon(
            use(jobs.openReceiver(), (receiver) =>
              forEachDelivery(receiver, function* () {
                begun.set();
                yield* sleepForever();
              }),
            ),
          );
          yield* begun.wait();
          yield* server.kill();
          worker.cancel();
          yield* failAfter(soon, worker.wait());
        });
      });
    },
  },
  {
    fault: "the server is gone for good: whoever waits is told so, and whoever comes is told what to do",
    *body({ open, queue }) {
      yield* use(open(), function* (server) {
        const jobs = queue(server.port, "gone", { reconnectFor: 300 });
        yield* use(jobs.openReceiver(), (receiver) =>
          use(jobs.openSender(), function* (sender) {
            yield* taskGroup(function* (group) {
              const waiting = group.startSoon(thrownBy(receiver.receive()));
              yield* sleep(20);
              yield* server.kill();
              for (const error of [yield* waiting.join(), yield* thrownBy(sender.send(1))]) {
                assert(error instanceof BrokenResourceError, String(error));
                assert(error.cause instanceof BrokerError && error.cause.cause instanceof Error);
              }
            });
          }),
        );
        const error = yield* thrownBy(jobs.openReceiver());
        assert(error instanceof BrokerError && error.cause instanceof Error, String(error));
        assert.match(error.message, /cannot be used: .*\. Start it \(.*\), or correct the/);
      });
    },
  },
];

const thrownBy = operation(function* thrownBy(work: Operation<unknown>): Coroutine<unknown> {
  try {
    yield* work;
  } catch (error) {
    return error;
  }
  return assert.fail("Nothing was thrown.");
});

/** The faults, as test cases on the backends whose time is the real one. */
export function brokerFaults(broker: BrokerToHarm): TestCase[] {
  return faults.flatMap((fault) =>
    everyBackend(fault.fault, () => fault.body(broker), { backends: ["native", "kernel"] }),
  );
}
