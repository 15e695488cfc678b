/** Paths: their parts, and what is done with what is there. */
import { utimesSync } from "node:fs";
import { UsageError } from "@anyloop/core";
import { Path, type SystemError } from "@anyloop/io";
import { expect, test } from "vitest";
import { caught } from "./each.ts";
import { eachIn } from "./each-in.ts";

const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

test("the parts of a path", () => {
  const path = new Path("/home", "me/../you", "notes.tar.gz");
  expect(String(path)).toBe("/home/you/notes.tar.gz");
  expect(JSON.stringify({ path })).toBe('{"path":"/home/you/notes.tar.gz"}');
  expect([path.name, path.stem, path.suffix, path.parent.path, path.isAbsolute]).toEqual([
    "notes.tar.gz",
    "notes.tar",
    ".gz",
    "/home/you",
    true,
  ]);
  expect(path.withName("other").path).toBe("/home/you/other");
  expect(path.withSuffix(".bz2").path).toBe("/home/you/notes.tar.bz2");
  expect(path.withSuffix("").path).toBe("/home/you/notes.tar");
  expect(() => path.withName("a/b")).toThrow(UsageError);
  expect(() => path.withSuffix("gz")).toThrow(UsageError);
  expect(path.relativeTo("/home/me").path).toBe("../you/notes.tar.gz");
  expect(new Path("a").absolute().path).toBe(`${process.cwd()}/a`);
  expect(new Path("a", new URL("file:///b")).path).toBe("a/b");
});

eachIn("what a path does with what is there", function* (directory) {
  const path = directory.join("a", "b");
  expect([yield* path.exists(), yield* path.isFile(), yield* path.isDirectory()]).toEqual([
    false,
    false,
    false,
  ]);
  yield* path.makeDirectory({ recursive: true });
  yield* path.makeDirectory({ recursive: true });
  expect(((yield* caught(path.makeDirectory())) as SystemError).code).toBe("EEXIST");
  expect([yield* path.exists(), yield* path.isFile(), yield* path.isDirectory()]).toEqual([
    true,
    false,
    true,
  ]);
  const file = path.join("z");
  yield* file.write("text");
  yield* file.append("!");
  expect(decode(yield* file.read())).toBe("text!");
  yield* file.copy(path.join("y"));
  yield* path.join("y").rename(path.join("x"));
  yield* path.join("link").linkTo("z");
  expect((yield* path.entries()).map(({ name }) => name)).toEqual(["link", "x", "z"]);
  expect((yield* path.join("link").readLink()).path).toBe("z");
  expect((yield* path.join("link").resolve()).name).toBe("z");
  expect((yield* path.join("link").stat({ followLinks: false })).isSymbolicLink()).toBe(true);
  yield* file.chmod(0o600);
  expect((yield* file.stat()).mode & 0o777).toBe(0o600);
  expect([yield* file.removeIfPresent(), yield* file.removeIfPresent()]).toEqual([true, false]);
  expect(((yield* caught(file.remove())) as SystemError).code).toBe("ENOENT");
  // A link that leads nowhere is there, and what it leads to is not.
  expect(yield* path.join("link").exists()).toBe(false);
  yield* path.join("link").remove();
  yield* path.join("x").remove();
  yield* path.removeDirectory();
  yield* directory.join("a").removeTree();
  yield* directory.join("a").removeTree();
  expect(yield* directory.entries()).toEqual([]);
});

eachIn("all that is below a directory, and what of it fits a pattern", function* (directory) {
  yield* directory.join("a", "b").makeDirectory({ recursive: true });
  for (const name of ["one.ts", "a/two.ts", "a/b/three.ts", "a/b/three.js"]) {
    yield* directory.join(name).touch();
  }
  const below = (found: readonly Path[]): string[] => found.map((path) => path.relativeTo(directory).path);
  expect(below(yield* directory.entries({ recursive: true }))).toEqual([
    "a",
    "a/b",
    "a/b/three.js",
    "a/b/three.ts",
    "a/two.ts",
    "one.ts",
  ]);
  expect(below(yield* directory.glob("*.ts"))).toEqual(["one.ts"]);
  expect(below(yield* directory.glob("**/*.ts"))).toEqual(["a/b/three.ts", "a/two.ts", "one.ts"]);
  expect(below(yield* directory.glob("a/*"))).toEqual(["a/b", "a/two.ts"]);
  expect((yield* caught(directory.join("none").glob("*"))) as SystemError).toMatchObject({ code: "ENOENT" });
});

eachIn(
  "touch makes a file, or says that it was changed now, and leaves what is in it",
  function* (directory) {
    const file = directory.join("file");
    yield* file.touch();
    expect((yield* file.stat()).size).toBe(0);
    yield* file.write("text");
    utimesSync(file.path, 1, 1);
    yield* file.touch();
    expect((yield* file.stat()).mtimeMs).toBeGreaterThan(1_000);
    expect(yield* file.readText()).toBe("text");
    yield* directory.join("link").linkTo("file");
    expect([yield* file.isSymbolicLink(), yield* directory.join("link").isSymbolicLink()]).toEqual([
      false,
      true,
    ]);
  },
);
