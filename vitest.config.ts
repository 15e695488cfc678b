import { defineConfig } from "vitest/config";

export default defineConfig({
  // Workspace packages resolve to their TypeScript sources, so tests need no build.
  ssr: { resolve: { conditions: ["@anyloop/source", "module", "node", "development|production"] } },
  test: {
    include: ["packages/*/test/**/*.test.ts", "apps/*/test/**/*.test.ts"],
    exclude: ["**/*.browser.test.ts"],
    pool: "forks",
    // What hangs is told all the same; a busy machine is no failure.
    testTimeout: 20_000,
    setupFiles: process.env["ANYLOOP_RUNTIME"] === undefined ? [] : ["./scripts/check-runtime.ts"],
    reporters: ["default", "./scripts/count-reporter.ts"],
    coverage: { provider: "v8", include: ["packages/*/src/**"] },
  },
});
