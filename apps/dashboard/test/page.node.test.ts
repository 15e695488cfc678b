/** The page in a real browser, over a real server that asks real sources. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Backend, kernel, native, run, sleepForever, taskGroup, type Work } from "anyloop";
import { Application, HttpError, serve, ServerResponse, type Serving } from "@anyloop/http/server";
import { type Browser, chromium, type Page } from "playwright";
import { build } from "vite";
import { afterAll, beforeAll, expect, test } from "vitest";
import { findChromium, noChromium } from "../../../scripts/chromium.ts";
import { dashboard } from "../src/dashboard.ts";

const executablePath = findChromium();
const root = path.join(import.meta.dirname, "../web");
const backends: readonly (readonly [string, () => Backend])[] = [
  ["kernel", () => kernel()],
  ["native", () => native()],
];
const waiting = 15_000;

/** Something that runs until it is stopped. */
interface Started {
  readonly url: string;
  stop(): Promise<void>;
}

function start(main: (tell: (url: string) => void) => Work<unknown>, backend: Backend): Promise<Started> {
  const controller = new AbortController();
  return new Promise((resolve, reject) => {
    const ended = run(
      main((url) => resolve({ url, stop })),
      { backend, signal: controller.signal },
    ).then(
      () => {},
      (error: unknown) => {
        if (!controller.signal.aborted) reject(error);
      },
    );
    const stop = (): Promise<void> => {
      controller.abort();
      return ended;
    };
  });
}

/** A source whose price is one more each time, until it is told to be dead. */
class Counting {
  price = 0;
  isDead = false;
  isSilent = false;

  start(): Promise<Started> {
    const app = new Application().get(
      "/",
      async () => {
        if (this.isSilent) await sleepForever();
        if (this.isDead) throw new HttpError(503);
        return ServerResponse.json({ data: [{ price: String(++this.price) }] });
      },
      { cancelOnDisconnect: true },
    );
    return start(
      (tell) =>
        async function source() {
          await taskGroup(async (group) => {
            const { url } = await group.start<Serving>((status) => serve(app, { host: "127.0.0.1" }, status));
            tell(url);
            await sleepForever();
          });
        },
      kernel(),
    );
  }
}

let browser: Browser;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "anyloop-dashboard-"));
  await build({ root, logLevel: "silent", build: { outDir: folder, emptyOutDir: true } });
  if (executablePath === undefined) return;
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
}, 60_000);

afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

function startDashboard(sourceUrl: string, backend: Backend, port = 0): Promise<Started> {
  const options = {
    host: "127.0.0.1",
    port,
    page: folder,
    sources: [{ name: "counting", url: sourceUrl, path: ["data", 0, "price"] }],
    seed: 1,
    interval: 50,
    timeout: 1_000,
    limit: 2,
  };
  return start((tell) => dashboard(options, ({ url }) => tell(url)), backend);
}

async function priceOn(page: Page): Promise<number> {
  const text = await page.locator('[data-source="counting"] .price').textContent({ timeout: waiting });
  return Number.parseFloat(text ?? "");
}

const row = (page: Page, health: string) =>
  page.locator(`[data-source="counting"][data-health="${health}"]`).waitFor({ timeout: waiting });

const connection = (page: Page, isConnected: boolean) =>
  page.locator(`#connection[data-connected="${String(isConnected)}"]`).waitFor({ timeout: waiting });

for (const [label, makeBackend] of backends) {
  const title = (text: string): string =>
    executablePath === undefined ? `${text} [skipped: ${noChromium}]` : `${text} [${label}]`;
  const onPage = (name: string, body: (page: Page) => Promise<void>): void => {
    test.skipIf(executablePath === undefined)(
      title(name),
      async () => {
        const page = await browser.newPage();
        const problems: string[] = [];
        page.on("pageerror", (error) => problems.push(error.message));
        try {
          await body(page);
        } finally {
          await page.close();
        }
        expect(problems).toEqual([]);
      },
      60_000,
    );
  };

  onPage("prices move, and the page shows the tasks of the run", async (page) => {
    const counting = new Counting();
    const source = await counting.start();
    const shown = await startDashboard(source.url, makeBackend());
    await page.goto(shown.url);
    await connection(page, true);
    await row(page, "fresh");
    const first = await priceOn(page);
    await expect.poll(() => priceOn(page), { timeout: waiting }).toBeGreaterThan(first);
    await page.locator("#tasks", { hasText: "watch counting" }).waitFor({ timeout: waiting });
    await shown.stop();
    await source.stop();
  });

  onPage("a dead source shows as stale, with its last price, and comes back", async (page) => {
    const counting = new Counting();
    const source = await counting.start();
    const shown = await startDashboard(source.url, makeBackend());
    await page.goto(shown.url);
    await row(page, "fresh");
    counting.isDead = true;
    await row(page, "stale");
    const last = counting.price;
    expect(await priceOn(page)).toBe(last);
    await page.locator('[data-source="counting"] .problem', { hasText: "503" }).waitFor({ timeout: waiting });
    expect(await priceOn(page)).toBe(last);
    counting.isDead = false;
    await row(page, "fresh");
    await expect.poll(() => priceOn(page), { timeout: waiting }).toBeGreaterThan(last);
    await shown.stop();
    await source.stop();
  });

  onPage("a question to a silent source is shown in flight until its time is over", async (page) => {
    const counting = new Counting();
    counting.isSilent = true;
    const source = await counting.start();
    const shown = await startDashboard(source.url, makeBackend());
    await page.goto(shown.url);
    await page.locator("#in-flight li", { hasText: "counting" }).waitFor({ timeout: waiting });
    await page
      .locator('[data-health="stale"] .problem', { hasText: "No answer within 1000 ms" })
      .waitFor({ timeout: waiting });
    await shown.stop();
    await source.stop();
  });

  onPage("the page connects again after the server was started again", async (page) => {
    const counting = new Counting();
    const source = await counting.start();
    const shown = await startDashboard(source.url, makeBackend());
    await page.goto(shown.url);
    await connection(page, true);
    await shown.stop();
    await connection(page, false);
    const before = counting.price;
    const again = await startDashboard(source.url, makeBackend(), Number(new URL(shown.url).port));
    await connection(page, true);
    await expect.poll(() => priceOn(page), { timeout: waiting }).toBeGreaterThan(before);
    await again.stop();
    await source.stop();
  });
}
