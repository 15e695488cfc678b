/** The pipeline counts the same words wherever its stages run, and whatever is killed in the middle. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { natsServer } from "@anyloop/bridge-nats/server";
import { redisServer } from "@anyloop/bridge-redis/server";
import { describe, expect, test } from "vitest";
import { wordsOf } from "../src/site.ts";

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url));
const killer = fileURLToPath(new URL("programs/killed-in-the-middle.ts", import.meta.url));

interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | null;
}

function start(program: string, ...args: string[]): ChildProcess {
  return spawn(process.execPath, ["--conditions=@anyloop/source", program, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own, as a shell gives to what it runs.
    detached: true,
    timeout: 60_000,
  });
}

function ended(child: ChildProcess): Promise<Ended> {
  let [stdout, stderr] = ["", ""];
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (exitCode) => resolve({ stdout, stderr, exitCode }));
  });
}

/** What is to be counted on so many pages. */
function expectedWords(pages: number): Record<string, number> {
  const words: Record<string, number> = {};
  for (let page = 0; page < pages; page++) {
    for (const word of wordsOf(page)) words[word] = (words[word] ?? 0) + 1;
  }
  return words;
}

function whyNot({ program, toInstall }: typeof redisServer): string | undefined {
  return spawnSync(program, ["--version"]).error === undefined
    ? undefined
    : `${program} is missing: ${toInstall}`;
}

for (const over of ["memory", "threads"]) {
  test(`over ${over} all words of all pages are counted`, { timeout: 60_000 }, async () => {
    const { stdout, exitCode } = await ended(
      start(main, "--over", over, "--pages", "40", "--top", "1000", "--json"),
    );
    expect(exitCode).toBe(0);
    const { pages, words, missing, stages } = JSON.parse(stdout) as {
      pages: number;
      words: unknown;
      missing: string[];
      stages: { stage: string; done: number; lag: number }[];
    };
    expect(pages).toBe(40);
    expect(words).toEqual(expectedWords(40));
    expect(missing.map((url) => new URL(url).pathname)).toEqual(["/41"]);
    expect(stages.map(({ stage, done, lag }) => [stage, done, lag])).toEqual([
      ["fetch", 41, 0],
      ["parse", 41, 0],
      ["count", 41, 0],
    ]);
  });
}

test("--help and mistakes say what can be done", { timeout: 60_000 }, async () => {
  expect((await ended(start(main, "--help"))).stdout).toContain("--over WHAT");
  for (const [args, message] of [
    [["--over", "kafka"], 'There is no carrier "kafka". Give one of: memory, threads, redis, nats.'],
    [["--pages", "none"], '--pages "none" is not possible. Give a whole number, 1 or more.'],
    [["--server", "redis://localhost"], "--server is for --over redis and --over nats."],
    [["--over", "redis", "--server", "redis://127.0.0.1:1"], "Start it (redis-server), or correct the URL."],
    [["--over", "nats", "--server", "nats://127.0.0.1:1"], "Start it (nats-server --jetstream), or correct"],
  ] as const) {
    const { stderr, exitCode } = await ended(start(main, ...args));
    expect(stderr).toContain(message);
    expect(exitCode).toBe(2);
  }
});

for (const server of [redisServer, natsServer]) {
  const over = server === redisServer ? "redis" : "nats";
  const missing = whyNot(server);
  if (missing !== undefined) console.error(`\nSKIPPED, THE PIPELINE OVER ${over}: ${missing}\n`);

  describe.skipIf(missing !== undefined)(
    `over ${over}${missing === undefined ? "" : ` [${missing}]`}`,
    () => {
      test(
        "the process of each stage is killed in the middle, and nothing is lost",
        { timeout: 60_000 },
        async () => {
          const { stdout, exitCode, stderr } = await ended(start(killer, over, "120"));
          expect(exitCode, stderr).toBe(0);
          const outcome = JSON.parse(stdout) as { killed: string[]; again: number[] };
          console.info(`over ${over}: done again by stage: ${outcome.again.join(", ")}`);
          expect(outcome).toMatchObject({ pages: 120, problems: [], missing: 1, words: expectedWords(120) });
          expect([...outcome.killed].sort()).toEqual(["count", "fetch", "parse"]);
        },
      );

      test("Ctrl+C ends it and all its processes", { timeout: 60_000 }, async () => {
        const child = start(main, "--over", over, "--pages", "5000");
        const end = ended(child);
        const family = await startedProcesses(child);
        child.kill("SIGINT");
        expect((await end).exitCode).toBe(130);
        expect(family.length).toBe(3);
        expect(family.filter(isAlive)).toEqual([]);
      });

      test(
        "Ctrl+C in a terminal, which all of them hear, does so as well, without a word",
        { timeout: 60_000 },
        async () => {
          const child = start(main, "--over", over, "--pages", "5000");
          const end = ended(child);
          const family = await startedProcesses(child);
          process.kill(-Number(child.pid), "SIGINT");
          const { exitCode, stderr } = await end;
          expect(exitCode, stderr).toBe(130);
          expect(
            stderr
              .split("\n")
              .filter((line) => !/^(\w+: (process \d+|ended by SIGINT, started again))?$/.test(line)),
          ).toEqual([]);
          expect(family.filter(isAlive)).toEqual([]);
        },
      );
    },
  );
}

/** The processes that it says it has started, once there is one for each stage. */
function startedProcesses(child: ChildProcess): Promise<number[]> {
  let text = "";
  return new Promise((resolve) => {
    child.stderr?.on("data", (more: string) => {
      text += more;
      const found = [...text.matchAll(/: process (\d+)\n/g)].map(([, pid]) => Number(pid));
      if (found.length === 3) resolve(found);
    });
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
