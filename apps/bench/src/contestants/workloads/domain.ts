/** What everybody's versions speak of. */
import { keys, nobody } from "../../workloads.ts";

export interface User {
  readonly id: number;
  readonly name: string;
}

export const anonymous: User = { id: -1, name: "anonymous" };

/** Whether the directory has nobody under this id. */
export function isNobody(id: number): boolean {
  return id % nobody === 0;
}

export function userOf(id: number): User {
  return { id, name: `user ${String(id)}` };
}

/** What is shown of a user, fetched piece by piece. */
export interface Profile {
  readonly user: User;
  readonly posts: number;
  readonly isDark: boolean;
}

export function postsOf(id: number): number {
  return id * 3;
}

export function isDarkFor(id: number): boolean {
  return id % 2 === 0;
}

/** The check figure of the profiles: posts, anonymous users and dark themes. */
export function scoreOf(profiles: readonly Profile[]): number {
  let score = 0;
  for (const { user, posts, isDark } of profiles) {
    score += posts + (user === anonymous ? 1 : 0) + (isDark ? 1 : 0);
  }
  return score;
}

/** The key that a request asks for. */
export function keyOf(request: number): number {
  return request % keys;
}

/** Names of metrics: what was looked up, and what was looked up in vain. */
export const lookups = "directory.lookups";
export const misses = "directory.misses";
