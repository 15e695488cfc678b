/** The load client: some connections, each sending the next batch when the last one has come back. */
import {
  type ByteStream,
  type Coroutine,
  moveOnAfter,
  now,
  type Operation,
  operation,
  taskGroup,
  use,
} from "anyloop";
import type { TlsClientOptions } from "@anyloop/io";
import { connectableAt, type Endpoint } from "./endpoint.ts";

export interface LoadOptions {
  readonly endpoint: Endpoint;
  /** Whom to trust; undefined without TLS. */
  readonly security: TlsClientOptions | undefined;
  readonly connections: number;
  /** Bytes of a message. */
  readonly size: number;
  /** Messages sent before their answers are waited for. */
  readonly pipelined: number;
  readonly milliseconds: number;
}

export interface LoadReport {
  readonly requests: number;
  readonly requestsPerSecond: number;
  /** Milliseconds from sending a batch until all of it was back. */
  readonly latency: {
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly max: number;
  };
}

const exchange = operation(function* exchange(
  stream: ByteStream,
  batch: Uint8Array,
  latencies: number[],
): Coroutine<never> {
  for (;;) {
    const started = now();
    yield* stream.send(batch);
    for (let missing = batch.length; missing > 0;) missing -= (yield* stream.receive()).length;
    latencies.push(now() - started);
  }
});

const loadWith = operation(function* load(options: LoadOptions): Coroutine<LoadReport> {
  const { endpoint, security, connections, size, pipelined, milliseconds } = options;
  const target = connectableAt(endpoint, security);
  const batch = new Uint8Array(size * pipelined).fill(120);
  const latencies: number[] = [];
  let started = now();
  yield* taskGroup(function* (group) {
    const streams: ByteStream[] = [];
    for (let count = 0; count < connections; count++) streams.push(yield* target.connect());
    started = now();
    for (const stream of streams) {
      group.startSoon(use(stream, () => moveOnAfter(milliseconds, exchange(stream, batch, latencies))));
    }
  });
  const requests = latencies.length * pipelined;
  return {
    requests,
    requestsPerSecond: Math.round((requests / (now() - started)) * 1_000),
    latency: percentiles(latencies),
  };
});

function percentiles(values: readonly number[]): LoadReport["latency"] {
  const sorted = Float64Array.from(values).sort();
  const at = (share: number): number =>
    Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 1_000) / 1_000;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

/** @throws ConnectError, BrokenResourceError, … as soon as one connection fails. */
export function load(options: LoadOptions): Operation<LoadReport> {
  return loadWith(options);
}
