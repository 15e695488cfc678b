/** Changes of real files. */
import {
  CancelScope,
  ClosedResourceError,
  type Coroutine,
  type ObjectReceiveStream,
  taskGroup,
  use,
} from "@anyloop/core";
import { type FileChange, type Path, SystemError, tempDirectory, watch } from "@anyloop/io";
import { waitAllTasksBlocked } from "@anyloop/testing";
import { expect } from "vitest";
import { caught, each } from "./each.ts";

/** Receives until the change of this path comes: systems tell of others as well, and of one more than once. */
function* receiveUntil(changes: ObjectReceiveStream<FileChange>, path: Path): Coroutine<FileChange> {
  for (;;) {
    const change = yield* changes.receive();
    if (change.path.path === path.path) return change;
  }
}

each("what is new, changed and gone in a directory is told", function* () {
  yield* use(tempDirectory(), (directory) =>
    use(watch(directory), function* (changes) {
      const file = directory.join("new.txt");
      yield* file.write("x");
      yield* receiveUntil(changes, file);
      yield* directory.join("other.txt").write("x");
      yield* receiveUntil(changes, directory.join("other.txt"));
      yield* file.remove();
      expect((yield* receiveUntil(changes, file)).kind).toMatch(/^(rename|change)$/);
    }),
  );
});

each("a single file is watched", function* () {
  yield* use(tempDirectory(), function* (directory) {
    const file = directory.join(directory.name);
    yield* file.write("x");
    yield* use(watch(file), function* (changes) {
      yield* file.append("y");
      expect((yield* changes.receive()).path.path).toBe(file.path);
    });
  });
});

each("a change that nobody waited for is kept; the same one again is given once", function* () {
  yield* use(tempDirectory(), (directory) =>
    use(watch(directory), function* (changes) {
      for (let round = 0; round < 50; round++) yield* directory.join("a").write(`${round}`);
      yield* directory.join("last").write("x");
      const seen: string[] = [];
      for (let name = ""; name !== "last"; seen.push(name)) ({ name } = (yield* changes.receive()).path);
      expect(seen.length).toBeLessThan(10);
    }),
  );
});

each("a cancelled receive loses nothing; close wakes who waits", function* () {
  yield* use(tempDirectory(), function* (directory) {
    const changes = yield* watch(directory);
    yield* taskGroup(function* (group) {
      const cancelled = group.startSoon(changes.receive());
      yield* waitAllTasksBlocked();
      cancelled.cancel();
      yield* cancelled.wait();
      yield* directory.join("a").write("x");
      yield* receiveUntil(changes, directory.join("a"));
    });
    const scope = new CancelScope();
    scope.cancel();
    yield* scope.run(changes.close());
    expect(scope.cancelledCaught).toBe(true);
    expect(yield* caught(changes.receive())).toBeInstanceOf(ClosedResourceError);
    yield* changes.close();
  });
});

each("what is not there cannot be watched", function* () {
  const error = (yield* caught(watch("/no/such/place"))) as SystemError;
  expect(error).toBeInstanceOf(SystemError);
  expect(error.code).toBe("ENOENT");
});
