/** Finding a route, against the plainest way to say what it means. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Router, ServerResponse, type ServerRequest } from "@anyloop/http/server";

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

const answer = (): ServerResponse => ServerResponse.empty();

test("the route that is found is the one that fits best, in whatever order they were added", () => {
  fc.assert(
    fc.property(fc.uniqueArray(pattern, { maxLength: 12 }), asked, (patterns, path) => {
      const router = new Router();
      // A route is known by its options.
      for (const [index, pattern] of patterns.entries()) router.get(pattern, answer, { bodySize: index + 1 });
      const fits = patterns
        .map((pattern) => [fitOf(pattern, path), pattern] as const)
        .filter(([fit]) => fit !== undefined)
        .sort(([a = ""], [b = ""]) => (a < b ? -1 : 1));
      const { bodySize = 0 } = router.find({ method: "GET", path } as ServerRequest).options;
      expect(patterns[bodySize - 1]).toBe(fits[0]?.[1]);
    }),
    { numRuns: 2_000 },
  );
});
