/** Ends while workers are idle, or still work for nobody. */
import { moveOnAfter, run, setDefaultBackend } from "@anyloop/core";
import { runInProcess, runInThread } from "@anyloop/io";
import { kernel } from "@anyloop/kernel";

setDefaultBackend(kernel());
const forEver = (): void => {
  for (;;);
};
await run(function* () {
  const add = (left: number, right: number): number => left + right;
  console.log(yield* runInThread(add, [1, 2]), yield* runInProcess(add, [1, 2]));
  if (process.argv[2] === "idle") return;
  yield* moveOnAfter(50, runInThread(forEver, [], { cancel: "abandon" }));
  yield* moveOnAfter(50, runInProcess(forEver, [], { cancel: "abandon" }));
});
