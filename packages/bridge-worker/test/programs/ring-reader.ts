/** A thread that blocks until a ring has ended, and tells what came. */
import { parentPort, workerData } from "node:worker_threads";
import { RingReader } from "@anyloop/bridge-worker";

parentPort?.postMessage([...new RingReader<unknown>(workerData as SharedArrayBuffer)]);
