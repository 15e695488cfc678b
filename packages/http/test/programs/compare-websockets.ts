/**
 * What an echoed message costs a websocket server, in CPU time of its process: this package against `ws`, in rounds that
 * take turns. The client is a bare socket with frames made beforehand, the same for all. Ratios above 1: cheaper than ws.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";

const subjects = ["ws", "kernel", "native"] as const;
const rounds = 15;
const warmUp = 4;
const payload = "x".repeat(64);

interface Subject {
  readonly name: (typeof subjects)[number];
  readonly child: ChildProcess;
  readonly socket: Socket;
}

async function start(name: Subject["name"]): Promise<Subject> {
  const child = fork(new URL("websocket-echo.ts", import.meta.url), [name], { execArgv: process.execArgv });
  const [port] = (await once(child, "message")) as [number];
  const socket = connect(port, "127.0.0.1").setNoDelay(true);
  socket.write(
    [
      "GET / HTTP/1.1",
      "Host: localhost",
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
      "\r\n",
    ].join("\r\n"),
  );
  await once(socket, "data");
  return { name, child, socket };
}

const mask = [0x12, 0x34, 0x56, 0x78];
const sent = Buffer.from([
  0x81,
  0x80 | payload.length,
  ...mask,
  ...Buffer.from(payload).map((byte, index) => byte ^ (mask[index & 3] ?? 0)),
]);
const echoedLength = 2 + payload.length;

async function cpuTime({ child }: Subject): Promise<number> {
  child.send("cpu");
  const [{ user, system }] = (await once(child, "message")) as [NodeJS.CpuUsage];
  return user + system;
}

function exchange({ socket }: Subject, pipelined: number, messages: number): Promise<void> {
  const batch = Buffer.concat(Array.from({ length: pipelined }, () => sent));
  return new Promise((resolve) => {
    let batches = messages / pipelined;
    let missing = echoedLength * pipelined;
    const onData = (chunk: Buffer): void => {
      missing -= chunk.length;
      if (missing > 0) return;
      missing = echoedLength * pipelined;
      batches--;
      if (batches > 0) {
        socket.write(batch);
      } else {
        socket.off("data", onData);
        resolve();
      }
    };
    socket.on("data", onData);
    socket.write(batch);
  });
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const started = await Promise.all(subjects.map(start));
for (const [pipelined, messages] of [
  [1, 10_000],
  [16, 64_000],
] as const) {
  const costs = new Map<string, number[]>(subjects.map((name) => [name, []]));
  const ratios = new Map<string, number[]>(subjects.map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    const cost = new Map<string, number>();
    for (const subject of started) {
      const before = await cpuTime(subject);
      await exchange(subject, pipelined, messages);
      cost.set(subject.name, ((await cpuTime(subject)) - before) / messages);
    }
    if (round < warmUp) continue;
    for (const [name, own] of cost) {
      costs.get(name)?.push(own);
      ratios.get(name)?.push((cost.get("ws") ?? Number.NaN) / own);
    }
  }
  console.log(pipelined === 1 ? "one at a time" : `${String(pipelined)} pipelined`);
  for (const name of subjects) {
    const [microseconds, ratio] = [median(costs.get(name) ?? []), median(ratios.get(name) ?? [])];
    console.log(
      `  ${name.padEnd(8)} ${microseconds.toFixed(2).padStart(6)} µs a message   ${ratio.toFixed(2)} × ws`,
    );
  }
}
for (const { socket, child } of started) {
  socket.destroy();
  child.disconnect();
}
