/** Two tasks that sleep, waited for together. */
import { all, run, sleep } from "effection";

await run(function* () {
  yield* all([sleep(1), sleep(1)]);
});
