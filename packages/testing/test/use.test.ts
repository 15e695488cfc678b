/** `use`: a resource for the length of a body. */
import { moveOnAfter, sleep, sleepForever, use } from "@anyloop/core";
import { expect } from "vitest";
import { caught, each } from "./each.ts";

each("use closes in every case and reports both errors", function* () {
  const closed: string[] = [];
  const resource = {
    close(): void {
      closed.push("closed");
    },
  };
  expect(yield* use(resource, () => 1)).toBe(1);
  const boom = new Error("boom");
  expect(
    yield* caught(
      use(resource, () => {
        throw boom;
      }),
    ),
  ).toBe(boom);
  yield* moveOnAfter(1, use(resource, sleepForever));
  expect(closed).toHaveLength(3);
  const both = yield* caught(
    use(
      {
        async [Symbol.asyncDispose](): Promise<void> {
          await Promise.resolve();
          throw new Error("close");
        },
      },
      () => {
        throw boom;
      },
    ),
  );
  expect((both as AggregateError).errors.map(String)).toEqual(["Error: boom", "Error: close"]);
});

each("use: opened by an operation, closed by whatever it has, in the order of preference", function* () {
  const record: string[] = [];
  const resource = {
    close: () => {
      record.push("close");
    },
    [Symbol.dispose]: () => {
      record.push("dispose");
    },
  };
  yield* use(resource, () => {
    record.push("body");
  });
  yield* use({ [Symbol.dispose]: resource[Symbol.dispose] }, () => {});
  yield* use({ ...resource, [Symbol.asyncDispose]: () => sleep(1) as PromiseLike<void> }, () => {});
  expect(record).toEqual(["body", "close", "dispose"]);
});

each("use: a promise that closes is waited for though all is cancelled", function* () {
  let closed = false;
  yield* moveOnAfter(
    0,
    use(
      {
        async close(): Promise<void> {
          await new Promise((resolve) => setTimeout(resolve, 1));
          closed = true;
        },
      },
      () => sleepForever(),
    ),
  );
  expect(closed).toBe(true);
});
