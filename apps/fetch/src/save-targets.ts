/** What the files are called that bodies are saved in: no two alike, none outside the folder. */
import { join } from "node:path";
import type { Target } from "./part-file.ts";
import { UserError } from "./user-error.ts";

/** The last name in a URL's path, without what a file system would take for something else. */
function nameIn(url: string): string {
  const segment = new URL(url).pathname.split("/").findLast((part) => part !== "") ?? "";
  // oxlint-disable-next-line no-control-regex -- control characters are what it looks for
  const name = decoded(segment).replace(/[\u0000-\u001f\u007f/\\:*?"<>|]/g, "_");
  return name === "" || name === "." || name === ".." ? "index.html" : name;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function free(name: string, taken: ReadonlySet<string>): string {
  for (let count = 2, candidate = name; ; count++) {
    if (!taken.has(candidate)) return candidate;
    candidate = name.replace(/(\.[^.]+)?$/, (extension) => `-${count}${extension}`);
  }
}

/** One for each URL. @throws UserError for a checksum of a file that there will not be. */
export function saveTargets(
  urls: readonly string[],
  directory: string,
  checksums: ReadonlyMap<string, string>,
): readonly Target[] {
  const taken = new Set<string>();
  const targets = urls.map((url): Target => {
    const name = free(nameIn(url), taken);
    taken.add(name);
    return { path: join(directory, name), sha256: checksums.get(name) };
  });
  for (const name of checksums.keys()) {
    if (!taken.has(name)) throw new UserError(`There is a checksum of ${name}, but no URL is saved as that.`);
  }
  return targets;
}
