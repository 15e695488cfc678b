/** Streams and portals between a page and a web worker; where there are none, between a run and what stands for them. */
import { portPortal, portStream } from "@anyloop/bridge-worker";
import { objectStreamConformance, registerCases } from "@anyloop/testing";
import { moveOnAfter } from "anyloop";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { WebFunctions } from "./programs/web-worker.ts";

describe("at the other side a web worker", () => {
  let worker: Worker;
  let names: ReturnType<typeof portStream<string, never>>;
  let last = 0;
  beforeAll(() => {
    worker = new Worker(new URL("programs/web-worker.ts", import.meta.url), { type: "module" });
    names = portStream<string, never>(worker, { name: "relays" });
  });
  afterAll(async () => {
    await names.close();
    worker.terminate();
  });

  registerCases(
    test,
    objectStreamConformance(
      function* () {
        const name = String(++last);
        yield* names.send(name);
        return [
          portStream<number>(worker, { name: `${name}.in`, capacity: 2 }),
          portStream<number, number>(worker, { name: `${name}.out`, capacity: 2 }),
        ] as const;
      },
      { backends: ["native", "kernel"] },
    ),
  );

  test("functions are called, cancelled, and fail", async () => {
    const portal = portPortal<WebFunctions>(worker);
    expect(await portal.call("add", 20, 22)).toBe(42);
    await moveOnAfter(5, portal.call("forever"));
    expect(await portal.call("fails").catch((error: unknown) => error)).toBeInstanceOf(RangeError);
    await portal.close();
  });
});
