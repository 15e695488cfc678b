/** What the vitest integration infers, and what it does not let compile. */
import { moveOnAfter, sleep, taskGroup } from "@anyloop/core";
import { test, type Test, type BaseFixtures } from "@anyloop/testing/vitest";
import { expectTypeOf } from "vitest";

const first = test.extend({
  port: (_, use) => use(8080),
  name: async (_, use) => await use("a"),
});
expectTypeOf(first).toEqualTypeOf<Test<BaseFixtures & { readonly port: number; readonly name: string }>>();

const second = first.extend({
  server: ({ port }, use) =>
    taskGroup(function* (group) {
      expectTypeOf(port).toEqualTypeOf<number>();
      group.startSoon(sleep(1));
      return yield* use({ address: `localhost:${String(port)}` });
    }),
});
second("fixtures are typed", function* ({ server, name, seed, backend }) {
  expectTypeOf(server).toEqualTypeOf<{ address: string }>();
  expectTypeOf(name).toEqualTypeOf<string>();
  expectTypeOf(seed).toEqualTypeOf<number | undefined>();
  expectTypeOf(backend.name).toEqualTypeOf<string>();
});

// @ts-expect-error -- a fixture returns what `use` gave
test.extend({ forgetful: function* () {} });
// @ts-expect-error -- a scope that may cut the test short gives undefined then
test.extend({ hasty: (_, use) => moveOnAfter(1, use(1)) });
// @ts-expect-error -- not a fixture that there is
first("unknown fixtures", ({ server }) => void server);
// @ts-expect-error -- tests watch the whole program
test("concurrent", { concurrent: true }, () => {});
// @ts-expect-error -- not a kind of backend
test.with({ backends: ["bun"] });

test.each([
  [1, "a"],
  [2, "b"],
])("%i %s", function* (count, text, { context }) {
  expectTypeOf(count).toEqualTypeOf<number>();
  expectTypeOf(text).toEqualTypeOf<string>();
  expectTypeOf(context.task.name).toEqualTypeOf<string>();
});
test.each(["a", "b"])("%s", function* (text, { seed }) {
  expectTypeOf(text).toEqualTypeOf<string>();
  expectTypeOf(seed).toEqualTypeOf<number | undefined>();
});
first.for([{ size: 1 }])("$size", ({ size }, { port }) => {
  expectTypeOf(size).toEqualTypeOf<number>();
  expectTypeOf(port).toEqualTypeOf<number>();
});
