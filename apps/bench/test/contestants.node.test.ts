/** Every contestant really does the work of every scenario it has a version of: the check figure comes out. */
import { expect, test } from "vitest";
import { contestants } from "../src/contestants.ts";
import { scenarios } from "../src/scenarios.ts";

/** Divisible by what scenarios divide by, and small: it is not speed that is tested here. */
function smallSize(size: number, isFixed: boolean): number {
  return isFixed ? Math.min(size, 1000) : Math.min(size, 4000);
}

const loaded = await Promise.all(
  contestants.map(async ({ name, load }) => ({ name, performances: (await load()).performances })),
);

for (const { id, version, title, size, isFixed, expected, unit } of scenarios) {
  // Bytes are their own figure, and need a collection on demand.
  if (unit === "B") continue;
  for (const { name, performances } of loaded) {
    const perform = performances[version ?? id];
    if (perform === undefined) continue;
    test(`${name} does the work of "${title}" (${id})`, { timeout: 60_000 }, async () => {
      const items = smallSize(size, isFixed === true);
      expect(await perform(items)).toBe(expected(items));
      expect(await perform(items)).toBe(expected(items));
    });
  }
}

test("every version that a contestant has belongs to a scenario", () => {
  const known = new Set(scenarios.map(({ id, version }) => version ?? id));
  const stray = loaded.flatMap(({ performances }) =>
    Object.keys(performances).filter((id) => !known.has(id)),
  );
  expect(stray).toEqual([]);
});
