/** A test of both ends, wherever there are two. */
import type { Body } from "@anyloop/core";
import { each as eachReal } from "../../../../tools/test-support/each-real.ts";

/** Why nothing accepts a websocket on Bun. */
const noServer = "Bun's ws has no parts to accept a websocket with";

export function each(name: string, body: Body<unknown>): void {
  eachReal(name, body, { bun: noServer });
}
