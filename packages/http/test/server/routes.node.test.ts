/** Finding a route, against the plainest way to say what it means. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ask, withServer } from "./serving.ts";
import { run } from "@anyloop/core";
import { Application, ServerResponse } from "@anyloop/http/server";
import { kernel } from "@anyloop/kernel";

const segment = fc.constantFrom("a", "b", ":x", "*r");
const pattern = fc
  .array(segment, { minLength: 1, maxLength: 4 })
  .filter((texts) => !texts.slice(0, -1).includes("*r"))
  // Each parameter has a name of its own.
  .map((texts) => `/${texts.map((text, index) => (text === ":x" ? `:x${String(index)}` : text)).join("/")}`);
const asked = fc
  .array(fc.constantFrom("a", "b", "c", ""), { minLength: 1, maxLength: 5 })
  .map((texts) => `/${texts.join("/")}`);

/** How well each segment of a pattern fits: text before a parameter before the rest; undefined if it does not. */
function fitOf(pattern: string, path: string): string | undefined {
  const texts = path.slice(1).split("/");
  const segments = pattern.slice(1).split("/");
  let fit = "";
  for (const [index, segment] of segments.entries()) {
    const text = texts[index];
    if (text === undefined) return undefined;
    if (segment.startsWith("*")) return `${fit}3`;
    if (segment.startsWith(":") ? text === "" : text !== segment) return undefined;
    fit += segment.startsWith(":") ? "2" : "1";
  }
  return texts.length === segments.length ? fit : undefined;
}

test("the route that is found is the one that fits best, in whatever order they were added", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(pattern, { maxLength: 12 }),
      fc.array(asked, { minLength: 5, maxLength: 10 }),
      async (patterns, paths) => {
        const app = new Application();
        for (const pattern of patterns) app.get(pattern, () => ServerResponse.text(pattern));
        const check = withServer(app, function* ({ url }) {
          for (const path of paths) {
            const fits = patterns
              .map((pattern) => [fitOf(pattern, path), pattern] as const)
              .filter(([fit]) => fit !== undefined)
              .sort(([a = ""], [b = ""]) => (a < b ? -1 : 1));
            const { status, text } = yield* ask(url + path);
            expect(status === 404 ? undefined : text, path).toBe(fits[0]?.[1]);
          }
        });
        await run(check, { backend: kernel() });
      },
    ),
    { numRuns: 100 },
  );
}, 30_000);
