import { describe, expect, test } from "vitest";
import { parseCommandLine } from "../src/command-line.ts";
import { defaults } from "../src/fetch-all.ts";
import { UserError } from "../src/user-error.ts";

describe("parseCommandLine", () => {
  test("reads every option", () => {
    const args =
      "--total 3 --per-host 2 --timeout 100 --retries 0 --backoff 0 --max-bytes 9 --backend both --file list --json http://a";
    expect(parseCommandLine(args.split(" "), true)).toEqual({
      kind: "fetch",
      urls: ["http://a"],
      file: "list",
      backends: ["kernel", "native"],
      options: { total: 3, perHost: 2, timeout: 100, retries: 0, backoff: 0, maxBytes: 9 },
      output: undefined,
      checksums: undefined,
      json: true,
    });
  });

  test("has defaults", () => {
    expect(parseCommandLine(["http://a"], true)).toEqual({
      kind: "fetch",
      urls: ["http://a"],
      file: undefined,
      backends: ["kernel"],
      options: defaults,
      output: undefined,
      checksums: undefined,
      json: false,
    });
  });

  test("without URLs it reads standard input, or is the demo where a person sits at it", () => {
    expect(parseCommandLine([], false)).toMatchObject({ kind: "fetch", file: "-" });
    expect(parseCommandLine(["--json"], true)).toEqual({ kind: "demo", json: true });
    expect(parseCommandLine(["--file", "list"], true)).toMatchObject({ kind: "fetch", file: "list" });
    expect(parseCommandLine(["demo"], false)).toEqual({ kind: "demo", json: false });
  });

  test.each([
    ["--nope", "Unknown option '--nope'."],
    ["--total", "argument missing"],
    ["--total -1", "Did you forget"],
    ["--total 0", '--total "0" is not possible. Give a whole number, 1 or more.'],
    ["--timeout 1e3", "Give a whole number, 1 or more."],
    ["--retries 99999999999999999999", "Give a whole number, 0 or more."],
    ["--max-bytes NaN", "Give a whole number, 0 or more."],
    ["--json=yes", "does not take an argument"],
    ["--checksums list", "--checksums goes with --output."],
    ["--output dir --backend both", "--output goes with one backend"],
    ["--backend bun", 'There is no backend "bun". Give one of: kernel, native, both.'],
    ["demo --total 3", "The demo takes no --total"],
  ])("refuses %s in one line", (args, message) => {
    const parse = (): unknown => parseCommandLine(args.split(" "), false);
    expect(parse).toThrow(UserError);
    expect(parse).toThrow(message);
    expect(parse).not.toThrow("\n");
  });
});
