/** How the figures of a scenario grow with its size. What is linear stays level; what is not climbs. */
import { measure, playersOf } from "./measure.ts";
import type { Growth } from "./results.ts";
import type { Runtime } from "./runtime.ts";
import type { Scenario } from "./scenario.ts";

const effort = { rounds: 3, warmUps: 1, turn: 100, patience: 3000 };
/** Milliseconds one performance may take, as far as the size before lets us guess. */
const most = 15_000;

export async function growthOf(
  scenario: Scenario,
  sizes: readonly number[],
  runtime: Runtime,
): Promise<Growth> {
  const players = await playersOf(scenario, runtime);
  const figures: Record<string, (number | null)[]> = {};
  let able = players;
  for (const size of sizes) {
    // Ten times the items may take a hundred times as long.
    able = able.filter(({ contestant }) => {
      const before = figures[contestant]?.at(-1);
      return before !== null && ((before ?? 0) * size * 10) / 1e6 < most;
    });
    const measured = await measure(scenario, able, size, effort);
    for (const { contestant } of players) {
      const whole = measured.fewer[contestant] === undefined ? measured.figures[contestant] : undefined;
      (figures[contestant] ??= []).push(whole ?? null);
    }
  }
  await Promise.all(players.map((player) => player.end()));
  return { id: scenario.id, title: scenario.title, sizes, figures };
}
