/**
 * Those of effect's seven that the language can do by itself. The others need what it has not: a queue that ends, a
 * semaphore, a race whose loser is stopped.
 */
import type { Performances } from "../../scenario.ts";
import { fanOutLimit, gated, ids, numbers, requests } from "../../workloads.ts";
import {
  anonymous,
  isDarkFor,
  isNobody,
  keyOf,
  lookups,
  postsOf,
  type Profile,
  scoreOf,
  type User,
  userOf,
} from "./domain.ts";
import { repeated } from "./repeated.ts";

class UserNotFound extends Error {
  override readonly name = "UserNotFound";
  readonly id: number;

  constructor(id: number) {
    super(`Nobody has the id ${String(id)}.`);
    this.id = id;
  }
}

async function giveWay(): Promise<void> {
  // oxlint-disable-next-line typescript/await-thenable -- the bare turn is what is meant
  await undefined;
}

class Directory {
  async find(id: number): Promise<User> {
    await giveWay();
    if (isNobody(id)) throw new UserNotFound(id);
    return userOf(id);
  }
}

async function orAnonymous(finding: Promise<User>): Promise<User> {
  try {
    return await finding;
  } catch (error) {
    if (error instanceof UserNotFound) return anonymous;
    throw error;
  }
}

class Application {
  readonly directory = new Directory();
  readonly counters = new Map<string, number>();
  readonly cache = new Map<number, User>();
  hits = 0;

  async nameOf(id: number): Promise<string> {
    const cached = this.cache.get(id);
    if (cached !== undefined) {
      this.hits++;
      return cached.name;
    }
    const user = await orAnonymous(this.directory.find(id));
    this.counters.set(lookups, (this.counters.get(lookups) ?? 0) + 1);
    this.cache.set(id, user);
    return user.name;
  }
}

async function pipeline(): Promise<number> {
  const application = new Application();
  const names: string[] = [];
  for (const request of ids) names.push(await application.nameOf(keyOf(request)));
  const unnamed = names.filter((name) => name === anonymous.name).length;
  return application.hits + (application.counters.get(lookups) ?? 0) + unnamed;
}

async function fetchPosts(id: number): Promise<number> {
  await giveWay();
  return postsOf(id);
}

async function fetchIsDark(id: number): Promise<boolean> {
  await giveWay();
  return isDarkFor(id);
}

async function load(directory: Directory, id: number): Promise<Profile> {
  const [user, posts, isDark] = await Promise.all([
    orAnonymous(directory.find(id)),
    fetchPosts(id),
    fetchIsDark(id),
  ]);
  return { user, posts, isDark };
}

async function fanOut(): Promise<number> {
  const directory = new Directory();
  const profiles: Profile[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let index = next++; index < ids.length; index = next++) {
      profiles[index] = await load(directory, ids[index] ?? Number.NaN);
    }
  };
  await Promise.all(Array.from({ length: fanOutLimit }, work));
  return scoreOf(profiles);
}

async function passGate(opened: Promise<void>, index: number): Promise<number> {
  await opened;
  await giveWay();
  return index * 2;
}

async function gate(): Promise<number> {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const passing = numbers(gated).map((index) => passGate(opened, index));
  await giveWay();
  open();
  let total = 0;
  for (const answer of passing) total += await answer;
  return total;
}

export const workloads: Performances = {
  "workload-pipeline": repeated(requests, pipeline),
  "workload-fan-out": repeated(requests, fanOut),
  "workload-gate": repeated(gated, gate),
};
