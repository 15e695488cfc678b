import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { anyloopFetch, start } from "./command.ts";
import { openServer, type TestServer } from "./server.ts";

interface Report {
  readonly agree: boolean;
  readonly runs: readonly {
    readonly backend: string;
    readonly ms: number;
    readonly sequentialMs: number;
    readonly peakInFlight: number | null;
    readonly results: readonly {
      readonly url: string;
      readonly status: number | null;
      readonly error: string | null;
    }[];
  }[];
}

function reportIn(stdout: string): Report {
  return JSON.parse(stdout) as Report;
}

/** Answers every path; those under `/broken` with a 404. */
async function openPlainServer(): Promise<TestServer> {
  return await openServer((path, response) => {
    response.writeHead(path.startsWith("/broken") ? 404 : 200).end("hello");
  });
}

async function inFile<T>(content: string, body: (file: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "anyloop-fetch-"));
  try {
    const file = join(directory, "urls.txt");
    await writeFile(file, content);
    return await body(file);
  } finally {
    await rm(directory, { recursive: true });
  }
}

describe("anyloop-fetch", () => {
  test("--help and --version", async () => {
    const [help, version] = await Promise.all([anyloopFetch(["--help"]), anyloopFetch(["--version"])]);
    expect(help).toMatchObject({ code: 0, stderr: "" });
    expect(help.stdout).toContain("--per-host");
    expect(version).toMatchObject({ code: 0, stderr: "" });
    expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test("prints a table, without colours and progress where there is no terminal", async () => {
    await using server = await openPlainServer();
    const { code, stdout, stderr } = await anyloopFetch([`${server.origin}/a`, `${server.origin}/b`]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain(`${server.origin}/a`);
    expect(stdout).toMatch(/fetched +2 of 2/);
    expect(stdout).not.toContain("\u001B");
  });

  test.each(["kernel", "native", "both"])("--json on %s", async (backend) => {
    await using server = await openPlainServer();
    const { code, stdout } = await anyloopFetch([`${server.origin}/a`, "--json", "--backend", backend]);
    const { runs, agree } = reportIn(stdout);
    expect([code, agree]).toEqual([0, true]);
    expect(runs.map((run) => run.backend)).toEqual(backend === "both" ? ["kernel", "native"] : [backend]);
    for (const { results } of runs) {
      expect(results).toMatchObject([
        { url: `${server.origin}/a`, status: 200, bytes: 5, tries: 1, error: null },
      ]);
    }
  });

  test("exit code 1 if a URL failed", async () => {
    await using server = await openPlainServer();
    const { code, stdout } = await anyloopFetch([`${server.origin}/a`, `${server.origin}/broken`]);
    expect(code).toBe(1);
    expect(stdout).toContain("the server answered 404");
  });

  test("reads URLs from standard input", async () => {
    await using server = await openPlainServer();
    const { code } = await anyloopFetch([], `# pages\r\n${server.origin}/a\r\n\r\n  ${server.origin}/b`);
    expect([code, [...server.visits].sort()]).toEqual([0, ["/a", "/b"]]);
  });

  test("reads URLs from a file and from arguments", async () => {
    await using server = await openPlainServer();
    const { code } = await inFile(`${server.origin}/b\n`, (file) =>
      anyloopFetch([`${server.origin}/a`, "--file", file]),
    );
    expect([code, [...server.visits].sort()]).toEqual([0, ["/a", "/b"]]);
  });

  test.each([
    ["an unknown flag", ["--nope"], "", "Unknown option '--nope'"],
    ["a malformed URL", ["example.com"], "", '"example.com" is not an http or https URL'],
    ["another scheme", ["ftp://example.com"], "", "is not an http or https URL"],
    ["credentials", ["http://me:secret@example.com"], "", "user name or password"],
    ["a file that is not there", ["--file", "no-such-file"], "", "no-such-file cannot be read (ENOENT)"],
    ["no URLs", [], "\n# nothing\n", "There are no URLs in standard input"],
  ])("refuses %s with one line", async (_, args, input, message) => {
    const { code, stdout, stderr } = await anyloopFetch(args, input);
    expect([code, stdout]).toEqual([2, ""]);
    expect(stderr).toMatch(/^anyloop-fetch: .+\n$/);
    expect(stderr).toContain(message);
  });

  test("names the line of a malformed URL and fetches nothing", async () => {
    await using server = await openPlainServer();
    const { code, stderr } = await anyloopFetch([], `${server.origin}/a\nnonsense\n`);
    expect([code, server.visits]).toEqual([2, []]);
    expect(stderr).toContain('standard input, line 2: "nonsense"');
  });

  test.each(["kernel", "native"])(
    "Ctrl+C on %s hangs up, says so in one line and exits with 130",
    async (backend) => {
      await using server = await openServer(() => {});
      const urls = Array.from({ length: 9 }, (_, index) => `${server.origin}/${index}`);
      const command = start("../src/main.ts", [...urls, "--backend", backend, "--per-host", "3"]);
      await server.until(() => server.inFlight === 3);
      command.interrupt();
      const { code, stdout, stderr } = await command.finished;
      expect([code, stdout]).toEqual([130, ""]);
      expect(stderr).toMatch(/^anyloop-fetch: stopped by Ctrl\+C.*\n$/);
      await server.until(() => server.inFlight === 0);
      expect([server.visits.length, server.abandoned]).toEqual([3, 3]);
    },
  );

  test("a second Ctrl+C does not wait", async () => {
    const command = start("./stubborn.ts", []);
    await command.said("begun");
    command.interrupt();
    await command.said("asked to stop");
    command.interrupt();
    expect(await command.finished).toMatchObject({ code: 130, stderr: "" });
  });
});

describe("anyloop-fetch demo", () => {
  test("compares the backends, and they agree", async () => {
    const { code, stdout, stderr } = await anyloopFetch(["demo"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toContain("kernel and native agree");
  });

  test("--json", async () => {
    const { code, stdout } = await anyloopFetch(["demo", "--json"]);
    const { runs, agree } = reportIn(stdout);
    expect([code, agree]).toEqual([0, true]);
    for (const { ms, sequentialMs, peakInFlight, results } of runs) {
      expect(sequentialMs).toBeGreaterThan(ms);
      expect(peakInFlight).toBe(8);
      expect(results.filter(({ error }) => error !== null).map(({ url }) => url)).toEqual([
        "/broken",
        "/missing",
        "/reset",
        "/endless",
        "/drips",
        "/silent",
      ]);
    }
  });
});
