/** Registers a body as a test on every backend, with a directory of its own. */
import { type Coroutine, use } from "@anyloop/core";
import { tempDirectory, type TemporaryDirectory } from "@anyloop/io";
import { each } from "./each.ts";

export function eachIn(name: string, body: (directory: TemporaryDirectory) => Coroutine<void>): void {
  each(name, () => use(tempDirectory(), body));
}
