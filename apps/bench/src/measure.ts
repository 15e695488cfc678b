/**
 * The referee: contestants of a scenario take turns within each round, in processes of their own, so that a noisy moment
 * hits all of them and nobody's code slows another's down; medians over the rounds.
 *
 * Invariant: a performance counts only if its check figure is right.
 */
import { contestants } from "./contestants.ts";
import { Player } from "./player.ts";
import type { Order, Performed } from "./performer.ts";
import type { Runtime } from "./runtime.ts";
import type { Scenario } from "./scenario.ts";

export interface Effort {
  /** Performances that count, for each contestant. */
  readonly rounds: number;
  /** Rounds before them, in which engines compile. */
  readonly warmUps: number;
  /** Milliseconds that a contestant's turn is to take: it performs as often as fits, at least once. */
  readonly turn: number;
  /** A contestant whose performance takes longer, in milliseconds, is measured once only, and with fewer items. */
  readonly patience: number;
}

/** By the name of the contestant: nanoseconds an item, or bytes. */
export type Figures = Readonly<Record<string, number>>;

export interface Measured {
  readonly figures: Figures;
  /** Who was so slow that it was measured with fewer items, and with how many. */
  readonly fewer: Figures;
}

/** Who is slow is found out with a tenth of the items, where that is still many. */
const manyItems = 20_000;

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** Whoever has a version of this scenario and can do it in this runtime. */
export async function playersOf(scenario: Scenario, runtime: Runtime): Promise<Player[]> {
  const able: Player[] = [];
  for (const { name, load } of contestants) {
    const { performances } = await load();
    const version = scenario.version ?? scenario.id;
    if (performances[version] !== undefined) able.push(new Player(name, runtime, version));
  }
  await Promise.all(able.map((player) => player.ready()));
  return able;
}

function figureOf(scenario: Scenario, { size, times }: Order, performed: Performed): number {
  if (scenario.unit === "B") return performed.result;
  return ((scenario.clock === "cpu" ? performed.cpu : performed.wall) * 1e6) / (size * times);
}

async function performChecked(player: Player, scenario: Scenario, order: Order): Promise<Performed> {
  const { size } = order;
  const performed = await player.perform(order);
  const expected = scenario.expected(size);
  if (scenario.unit !== "B" && performed.result !== expected) {
    throw new Error(
      `${player.contestant} did not do the work of "${scenario.title}": it gave ${String(performed.result)}, ` +
        `not ${String(expected)}.`,
    );
  }
  return performed;
}

/** As many performances as fill a turn. */
function orderFor(scenario: Scenario, size: number, wall: number, effort: Effort): Order {
  const fits = Math.floor(effort.turn / Math.max(wall, 0.1));
  return { size, times: scenario.unit === "B" ? 1 : Math.max(1, fits) };
}

/** One after the other within a round, and each round begins with another one. */
function* inTurn<T>(all: readonly T[], rounds: number): Generator<T> {
  for (let round = 0; round < rounds; round++) {
    for (let place = 0; place < all.length; place++) yield all[(round + place) % all.length] as T;
  }
}

export async function measure(
  scenario: Scenario,
  players: readonly Player[],
  size: number,
  effort: Effort,
): Promise<Measured> {
  const fewer: Record<string, number> = {};
  const figures = new Map<string, number[]>();
  const orders = new Map<Player, Order>();
  for (const player of players) {
    const { contestant } = player;
    if (size >= manyItems) {
      const part = { size: size / 10, times: 2 };
      let tried = await performChecked(player, scenario, part);
      // Once more before it is called slow: the first may have gone into compiling.
      if (tried.wall * 5 > effort.patience) tried = await performChecked(player, scenario, part);
      if (tried.wall * 5 > effort.patience) {
        figures.set(contestant, [figureOf(scenario, part, tried)]);
        fewer[contestant] = part.size;
        continue;
      }
    }
    const once = { size, times: 1 };
    const first = await performChecked(player, scenario, once);
    if (first.wall > effort.patience) figures.set(contestant, [figureOf(scenario, once, first)]);
    else orders.set(player, orderFor(scenario, size, first.wall, effort));
  }
  const keen = [...orders];
  for (const [player, order] of inTurn(keen, effort.warmUps)) await performChecked(player, scenario, order);
  for (const [player, order] of inTurn(keen, effort.rounds)) {
    const performed = await performChecked(player, scenario, order);
    figures.set(player.contestant, [
      ...(figures.get(player.contestant) ?? []),
      figureOf(scenario, order, performed),
    ]);
  }
  return {
    figures: Object.fromEntries([...figures].map(([contestant, all]) => [contestant, median(all)])),
    fewer,
  };
}
