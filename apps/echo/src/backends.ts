/** The backends by the names that the command line gives them. */
import { type Backend, kernel, native } from "anyloop";

export const backends = { kernel: () => kernel(), native: () => native() } satisfies Record<
  string,
  () => Backend
>;

export type BackendName = keyof typeof backends;
