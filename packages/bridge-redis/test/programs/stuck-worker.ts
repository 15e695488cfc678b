/** Receives from a queue, says what, and never acknowledges: for whoever kills it in the middle. */
import { redisWorkQueue } from "@anyloop/bridge-redis";
import { forEach, run, sleepForever, use } from "@anyloop/core";
import { kernel } from "@anyloop/kernel";

const [port, stream = ""] = process.argv.slice(2);
const queue = redisWorkQueue<number>({
  url: `redis://127.0.0.1:${String(port)}`,
  stream,
  redeliverAfter: 1_500,
});
await run(
  use(queue.openReceiver(), (receiver) =>
    forEach(receiver, function* ({ value }) {
      console.log(value);
      yield* sleepForever();
    }),
  ),
  { backend: kernel() },
);
