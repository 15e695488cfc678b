/** Crawls over a broker, kills the process of each stage once it has done some, and prints what was counted. */
import { run } from "anyloop";
import { pipeline } from "../../src/pipeline.ts";
import { type StageName, stageNames } from "../../src/stages.ts";
import { Tally } from "../../src/tally.ts";

const [over = "redis", pages] = process.argv.slice(2);
const tally = new Tally();
const processes = new Map<string, number>();
const killed: StageName[] = [];

const options = {
  over: over as "redis" | "nats",
  server: undefined,
  pages: Number(pages),
  workers: 4,
  processes: 1,
  top: 1,
  json: true,
};

const crawled = await run(
  pipeline(options, {
    found: tally.find,
    tell(report) {
      tally.add(report);
      const { stage } = report;
      // One after the other, each when a good part is behind and before it.
      const due = (Number(pages) * (stageNames.indexOf(stage) + 1)) / (stageNames.length + 2);
      const pid = processes.get(stage);
      const { done = 0 } = tally.progress().find((each) => each.stage === stage) ?? {};
      if (killed.includes(stage) || pid === undefined || done < due) return;
      killed.push(stage);
      process.kill(pid, "SIGKILL");
    },
    say(line) {
      const [, stage = "", pid] = /^(\w+): process (\d+)$/.exec(line) ?? [];
      processes.set(stage, Number(pid));
    },
  }),
);
const { problems, missing, words } = crawled;
console.log(
  JSON.stringify({
    pages: crawled.pages,
    problems,
    missing: missing.length,
    killed,
    again: tally.progress().map(({ again }) => again),
    words: Object.fromEntries(words),
  }),
);
