/** A test of both ends, wherever there are two. */
import type { Body } from "@anyloop/core";
import { each as eachReal } from "../each-real.ts";

export { caught } from "../each-real.ts";

/** Why nothing accepts a websocket on Bun. */
const noServer = "Bun's ws has no parts to accept a websocket with";

export const isBun: boolean = "bun" in process.versions;

export function each(name: string, body: Body<unknown>): void {
  eachReal(name, body, { bun: noServer });
}
