// Finds a Chromium: it cannot be installed by npm, so the machine has one or has none.
import { existsSync } from "node:fs";
import { chromium } from "playwright";

/** Where the machine has one, in order of preference; `CHROMIUM` names it. */
const places = [
  process.env["CHROMIUM"],
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  chromium.executablePath(),
];

/** Its path; undefined if there is none. */
export function findChromium(): string | undefined {
  return places.find((place) => place !== undefined && existsSync(place));
}

export const noChromium =
  "There is no Chromium on this machine. Install one (apt-get install chromium, or npx playwright install chromium), or say in CHROMIUM where it is.";
