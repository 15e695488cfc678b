/** The backends by the names that the command line gives them. */
import { type Backend, kernel, native } from "anyloop";

const makers = { kernel: () => kernel(), native: () => native() } satisfies Record<string, () => Backend>;

export type BackendName = keyof typeof makers;

export function makeBackend(name: BackendName): Backend {
  return makers[name]();
}

export const bothBackends: readonly BackendName[] = ["kernel", "native"];

/** What `--backend` may be. */
export const backendChoices: ReadonlyMap<string, readonly BackendName[]> = new Map([
  ["kernel", ["kernel"]],
  ["native", ["native"]],
  ["both", bothBackends],
]);
