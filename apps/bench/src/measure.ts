/** Measuring: contestants take turns within each round, so that a noisy moment hits all of them; medians over rounds. */
import type { Scenario } from "./scenarios.ts";

export type Figures = Readonly<Record<string, number>>;

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Nanoseconds an item for each contestant. */
export async function measure(scenario: Scenario, rounds: number): Promise<Figures> {
  const times = new Map<string, number[]>();
  for (let round = -1; round < rounds; round++) {
    for (const { name, perform } of scenario.contestants) {
      globalThis.gc?.();
      const started = performance.now();
      const check = await perform(scenario.size);
      const elapsed = performance.now() - started;
      if (check !== scenario.expected(scenario.size)) {
        throw new Error(`${name} did not do the work of "${scenario.name}": it gave ${String(check)}.`);
      }
      // The first round only warms up.
      if (round >= 0) times.set(name, [...(times.get(name) ?? []), (elapsed * 1e6) / scenario.size]);
    }
  }
  return Object.fromEntries([...times].map(([name, all]) => [name, median(all)]));
}
