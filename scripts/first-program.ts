// The smallest real program: what its bundle costs is what anyloop costs.
import { run, sleep, taskGroup } from "anyloop";

await run(function* () {
  yield* taskGroup(function* (group) {
    group.startSoon(function* () {
      yield* sleep(1);
    });
    yield* sleep(1);
  });
});
