/**
 * p-map 7, as its readme writes it.
 *
 * Where it differs: what has begun cannot be cancelled. It starts an item every few promise jobs, so early ones have ended
 * before the last have begun. It takes one mapper for all items: for a fresh closure each, the items are the closures, and
 * the mapper calls them, as its sister p-all does.
 */
import pMap from "p-map";
import type { Performances } from "../scenario.ts";

const add = (total: number, value: number): number => total + value;
const one = async (): Promise<number> => 1;

async function spawnOnce(size: number): Promise<number> {
  return (await pMap(Array(size).keys(), one)).reduce(add, 0);
}

async function spawnFresh(size: number): Promise<number> {
  const bodies = Array.from({ length: size }, (_, index) => async () => index);
  return (await pMap(bodies, (body) => body())).reduce(add, 0);
}

async function pass(item: number): Promise<number> {
  // oxlint-disable-next-line typescript/await-thenable -- gives way
  await undefined;
  return item;
}

async function limit(size: number): Promise<number> {
  return (await pMap(Array(size).keys(), pass, { concurrency: 16 })).reduce(add, 0);
}

export const performances: Performances = {
  "spawn-once": spawnOnce,
  "spawn-fresh": spawnFresh,
  "spawn-plain": spawnFresh,
  limit,
};
