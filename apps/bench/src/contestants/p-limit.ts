/**
 * p-limit 7, as its readme writes it.
 *
 * Where it differs: what has begun cannot be cancelled. Spawning is measured with an unlimited limit.
 */
import pLimit from "p-limit";
import type { Performances } from "../scenario.ts";

const add = (total: number, value: number): number => total + value;
const one = async (): Promise<number> => 1;

async function spawnOnce(size: number): Promise<number> {
  const limit = pLimit(Infinity);
  const results = await Promise.all(Array.from({ length: size }, () => limit(one)));
  return results.reduce(add, 0);
}

async function spawnFresh(size: number): Promise<number> {
  const limit = pLimit(Infinity);
  const results = await Promise.all(Array.from({ length: size }, (_, index) => limit(async () => index)));
  return results.reduce(add, 0);
}

async function pass(item: number): Promise<number> {
  // oxlint-disable-next-line typescript/await-thenable -- gives way
  await undefined;
  return item;
}

async function mapLimited(size: number): Promise<number> {
  const limit = pLimit(16);
  const results = await limit.map(Array(size).keys(), pass);
  return results.reduce(add, 0);
}

export const performances: Performances = {
  "spawn-once": spawnOnce,
  "spawn-fresh": spawnFresh,
  "spawn-plain": spawnFresh,
  limit: mapLimited,
};
