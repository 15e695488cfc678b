/**
 * What a value pays for going over a bridge, against the queue that its own world has for the same way: a producer and a
 * consumer, joined once by the peer alone and once by the bridge. Run it alone: `node --conditions=@anyloop/source
 * apps/bench/src/bridges.ts [items] [rounds] [part of a name]`. Contestants take turns; the median round of each counts,
 * in CPU time: nothing here waits for the host for long, and a machine that is shared says nothing by the clock.
 */
import { receivingEnd, sendingEnd, UniversalQueue } from "@anyloop/bridge";
import { kernel, memoryStream, native, run, setDefaultBackend } from "anyloop";
import { capacity, consume, type Contest, items, join, produce } from "./bridges/contest.ts";
import { libraryContests } from "./bridges/library-contests.ts";
import { nodeContests } from "./bridges/node-contests.ts";
import { webContests } from "./bridges/web-contests.ts";

const rounds = Number(process.argv[3] ?? 11);
const only = process.argv[4] ?? "";

const contests: readonly Contest[] = [
  {
    name: "universal queue, task to task (memory stream)",
    peer: () => {
      const [send, receive] = memoryStream<number>(capacity);
      return join(run(produce(send)), run(consume(receive)));
    },
    bridge: () => {
      const queue = new UniversalQueue<number>({ capacity });
      return join(run(produce(sendingEnd(queue))), run(consume(receivingEnd(queue))));
    },
  },
  ...webContests,
  ...nodeContests,
  ...libraryContests,
];

async function timed(contestant: () => Promise<number>, expected: number): Promise<number> {
  const started = process.cpuUsage();
  const sum = await contestant();
  const { user, system } = process.cpuUsage(started);
  if (sum !== expected) throw new Error(`The sum is ${String(sum)}, not ${String(expected)}.`);
  return ((user + system) * 1e3) / items;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

for (const backend of [kernel(), native()].filter(({ name }) => name.startsWith(process.argv[5] ?? ""))) {
  setDefaultBackend(backend);
  console.log(
    `\nour side on ${backend.name}, CPU ns an item, medians of ${String(rounds)} rounds of ${String(items)}`,
  );
  console.log(`${"".padEnd(48)}${"peer".padStart(8)}${"bridge".padStart(8)}  ratio`);
  for (const { name, peer, bridge, first = 0 } of contests.filter(({ name }) => name.includes(only))) {
    const expected = (items * (items - 1)) / 2 + first * items;
    const times: { peer: number[]; bridge: number[] } = { peer: [], bridge: [] };
    await timed(peer, expected);
    await timed(bridge, expected);
    for (let round = 0; round < rounds; round++) {
      times.peer.push(await timed(peer, expected));
      times.bridge.push(await timed(bridge, expected));
    }
    const [own, ours] = [median(times.peer), median(times.bridge)];
    // Of neighbours: what else the machine does for a while slows both.
    const ratio = median(times.bridge.map((time, round) => time / (times.peer[round] as number)));
    console.log(
      `${name.padEnd(48)}${own.toFixed(0).padStart(8)}${ours.toFixed(0).padStart(8)}  ${ratio.toFixed(2)}${ratio > 2 ? " MISSED" : ""}`,
    );
  }
}
