/** What is temporary is removed, whatever happens. */
import { existsSync, mkdirSync, realpathSync, rmdirSync, writeFileSync } from "node:fs";
import * as paths from "node:path";
import { CancelScope, sleepForever, use, UsageError } from "@anyloop/core";
import {
  type SystemError,
  tempDirectory,
  tempFile,
  type TemporaryDirectory,
  type TemporaryFile,
} from "@anyloop/io";
import { expect, test } from "vitest";
import { caught, each } from "./each.ts";
import { noPrograms, runProgram } from "./program.ts";

each("a directory is removed with all that is in it", function* () {
  let kept: TemporaryDirectory | undefined;
  yield* use(tempDirectory({ prefix: "mine-" }), function* (directory) {
    kept = directory;
    expect(directory.name).toMatch(/^mine-/);
    expect((yield* directory.stat()).mode & 0o777).toBe(0o700);
    mkdirSync(directory.join("deep", "er").path, { recursive: true });
    writeFileSync(directory.join("deep", "er", "file").path, "x");
  });
  expect(existsSync((kept as TemporaryDirectory).path)).toBe(false);
  const { path } = kept as TemporaryDirectory;
  // What is there now is somebody else's.
  mkdirSync(path);
  yield* (kept as TemporaryDirectory).close();
  expect(existsSync(path)).toBe(true);
  rmdirSync(path);
});

each("it is removed from where it was made, wherever the program has gone", function* () {
  const before = process.cwd();
  yield* use(tempDirectory(), function* (outer) {
    process.chdir(outer.path);
    try {
      const inner = yield* tempDirectory({ parent: ".", prefix: "" });
      process.chdir(before);
      expect(paths.dirname(inner.path)).toBe(realpathSync(outer.path));
      yield* inner.close();
      expect(existsSync(inner.path)).toBe(false);
    } finally {
      process.chdir(before);
    }
  });
});

each("a file is removed, and can be read and written until then", function* () {
  let kept: TemporaryFile | undefined;
  yield* use(tempFile({ suffix: ".txt" }), function* (file) {
    kept = file;
    expect(paths.extname(file.path)).toBe(".txt");
    yield* file.write("x");
    expect((yield* file.stat()).mode & 0o777).toBe(0o600);
    expect(existsSync(file.path)).toBe(true);
    yield* file.seek(0);
    expect(yield* file.read()).toEqual(Uint8Array.of(120));
  });
  expect(existsSync((kept as TemporaryFile).path)).toBe(false);
});

each("both are removed when the body fails, is cancelled, or has removed them itself", function* () {
  const made: string[] = [];
  const failure = new Error("mine");
  const error = yield* caught(
    use(tempDirectory(), (directory) =>
      use(tempFile({ parent: directory }), function* (file) {
        made.push(directory.path, file.path);
        throw failure;
      }),
    ),
  );
  expect(error).toBe(failure);
  const scope = new CancelScope();
  yield* scope.run(() =>
    use(tempDirectory(), (directory) =>
      use(tempFile({ parent: directory }), function* (file) {
        made.push(directory.path, file.path);
        scope.cancel();
        yield* sleepForever();
      }),
    ),
  );
  expect(scope.cancelledCaught).toBe(true);
  yield* use(tempDirectory(), function* (directory) {
    made.push(directory.path);
    yield* directory.removeTree();
  });
  expect(made).toHaveLength(5);
  expect(made.filter((path) => existsSync(path))).toEqual([]);
});

each("a place that is not there, and a prefix that is none, are refused", function* () {
  const error = yield* caught(tempDirectory({ parent: "/no/such/place" }));
  expect((error as SystemError).code).toBe("ENOENT");
  expect(((yield* caught(tempFile({ parent: "/no/such/place" }))) as SystemError).code).toBe("ENOENT");
  expect(yield* caught(tempDirectory({ prefix: "a/b" }))).toBeInstanceOf(UsageError);
  expect(yield* caught(tempFile({ suffix: "/b" }))).toBeInstanceOf(UsageError);
});

test("no listener stays behind", () => {
  expect(process.listeners("exit").filter(({ name }) => name === "removeLeftOver")).toEqual([]);
});

test.skipIf(noPrograms !== undefined)(
  `a process that exits in the middle leaves nothing [${noPrograms ?? "real"}]`,
  async () => {
    const { stdout, exitCode } = await runProgram("exits-in-the-middle.ts", []);
    const made = stdout.trim().split("\n");
    expect([exitCode, made.length]).toEqual([7, 2]);
    for (const path of made) {
      expect(paths.isAbsolute(path)).toBe(true);
      expect(existsSync(path)).toBe(false);
    }
  },
);
