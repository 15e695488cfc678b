/**
 * What a stream over a port costs against the raw port: small messages one way, and a round trip, one at a time. A run
 * of its own, as it needs a second thread: node --conditions=@anyloop/source apps/bench/src/bridge-worker.ts
 *
 * Raw and ours take turns in one process and on one worker, so that both meet the same noise; medians of the rounds.
 */
import { isMainThread, type MessagePort, parentPort, Worker } from "node:worker_threads";
import { portStream } from "@anyloop/bridge-worker";
import { run } from "anyloop";

const oneWay = 1_000_000;
/** A raw port is slow enough with fewer. */
const oneWayRaw = 200_000;
const roundTrips = 10_000;
const rounds = 9;
const perBatch = 100;

/** What the worker is told to do next. */
type Job = "count" | "echo" | "ours" | "oursEcho";

/** The next message that is ours to read: not one of the streams that use the same port. */
function once(port: Worker | MessagePort): Promise<unknown> {
  return new Promise((resolve) => {
    port.on("message", function take(message: unknown) {
      if (Array.isArray(message) && message.length !== 2) return;
      port.off("message", take);
      resolve(message);
    });
  });
}

async function serve(port: MessagePort): Promise<void> {
  for (;;) {
    const [job, count] = (await once(port)) as readonly [Job, number];
    if (job === "count") await countMessages(port, count);
    else if (job === "echo") await echo(port, count);
    else await serveOurs(port, job, count);
  }
}

/** Takes messages, or batches of them, until so many have come. */
async function countMessages(port: MessagePort, count: number): Promise<void> {
  let seen = 0;
  await new Promise<void>((resolve) => {
    port.on("message", function take(message: unknown) {
      seen += Array.isArray(message) ? message.length : 1;
      if (seen < count) return;
      port.off("message", take);
      resolve();
    });
    port.postMessage("ready");
  });
  port.postMessage("done");
}

async function echo(port: MessagePort, count: number): Promise<void> {
  let seen = 0;
  await new Promise<void>((resolve) => {
    port.on("message", function answer(message: unknown) {
      port.postMessage(message);
      if (++seen < count) return;
      port.off("message", answer);
      resolve();
    });
    port.postMessage("ready");
  });
}

async function serveOurs(port: MessagePort, job: Job, count: number): Promise<void> {
  const stream = portStream<number>(port);
  port.postMessage("ready");
  await run(function* () {
    for (let seen = 0; seen < count; seen++) {
      const item = yield* stream.receive();
      if (job === "oursEcho") yield* stream.send(item);
    }
    yield* stream.send(count);
    yield* stream.receive();
    yield* stream.close();
  });
}

async function told(worker: Worker, job: Job, count: number): Promise<void> {
  const ready = once(worker);
  worker.postMessage([job, count]);
  await ready;
}

/** Milliseconds that the work takes. */
async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return performance.now() - begun;
}

async function rawOneWay(worker: Worker, count: number, size: number): Promise<number> {
  await told(worker, "count", count);
  const done = once(worker);
  const spent = await timed(async () => {
    for (let at = 0; at < count; at += size) {
      worker.postMessage(size === 1 ? at : Array.from({ length: size }, (_, index) => at + index));
    }
    await done;
  });
  return count / spent / 1000;
}

async function rawRoundTrip(worker: Worker): Promise<number> {
  await told(worker, "echo", roundTrips);
  let left = roundTrips;
  const spent = await timed(
    () =>
      new Promise<void>((resolve) => {
        worker.on("message", function next() {
          if (--left > 0) {
            worker.postMessage(left);
            return;
          }
          worker.off("message", next);
          resolve();
        });
        worker.postMessage(left);
      }),
  );
  return (spent * 1000) / roundTrips;
}

async function ours(worker: Worker, job: "ours" | "oursEcho", count: number): Promise<number> {
  const stream = portStream<number>(worker);
  await told(worker, job, count);
  let spent = 0;
  await run(function* () {
    const begun = performance.now();
    for (let at = 0; at < count; at++) {
      yield* stream.send(at);
      if (job === "oursEcho") yield* stream.receive();
    }
    yield* stream.receive();
    spent = performance.now() - begun;
    yield* stream.send(0);
    yield* stream.close();
  });
  return spent;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;
}

async function main(): Promise<void> {
  const worker = new Worker(new URL(import.meta.url));
  const figures = {
    rawOne: [] as number[],
    rawBatched: [] as number[],
    oursOne: [] as number[],
    rawTrip: [] as number[],
    oursTrip: [] as number[],
  };
  for (let round = 0; round < rounds; round++) {
    figures.rawOne.push(await rawOneWay(worker, oneWayRaw, 1));
    figures.oursOne.push(oneWay / (await ours(worker, "ours", oneWay)) / 1000);
    figures.rawBatched.push(await rawOneWay(worker, oneWay, perBatch));
    figures.rawTrip.push(await rawRoundTrip(worker));
    figures.oursTrip.push(((await ours(worker, "oursEcho", roundTrips)) * 1000) / roundTrips);
  }
  await worker.terminate();
  const [rawOne, rawBatched, oursOne] = [figures.rawOne, figures.rawBatched, figures.oursOne].map(median);
  const [rawTrip, oursTrip] = [figures.rawTrip, figures.oursTrip].map(median);
  const line = (what: string, figure = NaN, unit: string, base = NaN): void =>
    console.log(
      `${what.padEnd(34)} ${figure.toFixed(2).padStart(7)} ${unit}  ${(figure / base).toFixed(2)}x raw`,
    );
  line("one way, raw, one by one", rawOne, "M/s", rawOne);
  line(`one way, raw, batches of ${String(perBatch)}`, rawBatched, "M/s", rawOne);
  line("one way, portStream (goal 5 M/s)", oursOne, "M/s", rawOne);
  line("round trip, raw", rawTrip, "us ", rawTrip);
  line("round trip, portStream (goal 1.5x)", oursTrip, "us ", rawTrip);
}

if (isMainThread) await main();
else if (parentPort !== null) await serve(parentPort);
