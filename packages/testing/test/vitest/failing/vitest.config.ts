import { defineConfig } from "vitest/config";

export default defineConfig({
  ssr: { resolve: { conditions: ["@anyloop/source", "module", "node", "development|production"] } },
  test: { include: ["*.cases.ts"], pool: "forks" },
});
