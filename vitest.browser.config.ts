import { playwright } from "@vitest/browser-playwright";
import { defineConfig } from "vitest/config";
import { findChromium, noChromium } from "./scripts/chromium.ts";

const executablePath = findChromium();
if (executablePath === undefined) throw new Error(noChromium);

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
          executablePath,
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
