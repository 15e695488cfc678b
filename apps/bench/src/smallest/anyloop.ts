/** Two tasks that sleep, waited for together. */
import { run, sleep, taskGroup } from "anyloop";

await run(function* () {
  yield* taskGroup(function* (group) {
    group.startSoon(sleep(1));
    group.startSoon(sleep(1));
  });
});
