/** What works wherever there is `fetch`: this file is run in browsers as well. */
import { run, setDefaultBackend, use } from "@anyloop/core";
import { kernel } from "@anyloop/kernel";
import { ClientSession, HttpHeaders } from "@anyloop/http/client";
import { expect, test } from "vitest";

const { location } = globalThis as { location?: { readonly href: string } };

test("the client is imported and opened without anything of Node", async () => {
  setDefaultBackend(kernel());
  await using session = new ClientSession({ headers: { "x-a": "1" } });
  expect(session.defaultsFor("https://example.com/").headers.get("x-a")).toBe("1");
  expect(new HttpHeaders({ a: "b" }).get("A")).toBe("b");
});

const title = "a page asks for itself, over fetch";
if (location === undefined) {
  test.skip(`${title} [there is no page outside a browser]`);
} else {
  test(title, async () => {
    const page = await run(
      () =>
        use(new ClientSession(), function* (session) {
          const response = yield* session.get(location.href);
          expect(response.status).toBe(200);
          return yield* response.text();
        }),
      { backend: kernel() },
    );
    expect(page).toContain("<");
  });
}
