/** Whatever names a file: what the functions of this package take, as the host takes it. */
import { fileURLToPath } from "node:url";

/** A path, a `file:` URL, or an object that is written as a path (`Path`). */
export type PathLike = string | URL | { readonly path: string };

/** @throws TypeError for a URL that is no `file:` URL. */
export function pathOf(pathLike: PathLike): string {
  if (typeof pathLike === "string") return pathLike;
  return pathLike instanceof URL ? fileURLToPath(pathLike) : pathLike.path;
}
