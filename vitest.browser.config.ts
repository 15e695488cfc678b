import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { conditions: ["@anyloop/source"] },
  test: {
    include: ["packages/*/test/**/*.test.ts"],
    exclude: ["**/*.node.test.ts", "**/node_modules/**"],
    reporters: ["default", "./scripts/count-reporter.ts"],
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      provider: playwright({
        launchOptions: {
          executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
          args: [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
          ],
        },
      }),
      instances: [{ browser: "chromium" }],
    },
  },
});
