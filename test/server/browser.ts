// Debian's Chromium under Playwright, and a page that tells of everything a user should never meet.

import { existsSync } from "node:fs";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

const EXECUTABLE = process.env.CHROME_PATH ?? "/usr/bin/chromium";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** What the tests ask of a page from inside; from dist/test/server/ to its source. */
const PROBES = fileURLToPath(new URL("../../../test/server/page_probes.mjs", import.meta.url));

/** A headless browser with an empty profile, closed when the test ends; skips the test where there is none. */
export async function openBrowser(t: TestContext): Promise<Browser | undefined> {
  if (!existsSync(EXECUTABLE)) {
    t.skip(`no browser at ${EXECUTABLE}: install one (Debian: apt-get install chromium) or name it in CHROME_PATH`);
    return undefined;
  }
  const browser = await chromium.launch({ executablePath: EXECUTABLE, headless: true, args: FLAGS });
  t.after(() => browser.close());
  return browser;
}

export interface Watched {
  page: Page;
  /** Console errors and warnings, uncaught errors, violations of the policy, failed requests, requests to other hosts. */
  troubles: string[];
}

/** A page in a context of its own. */
export async function openPage(browser: Browser, url: string, options: BrowserContextOptions): Promise<Watched> {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const troubles: string[] = [];
  const { host } = new URL(url);
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) troubles.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => troubles.push(`uncaught: ${error.message}`));
  page.on("requestfailed", (request) => troubles.push(`failed: ${request.url()}`));
  page.on("request", (request) => {
    if (new URL(request.url()).host !== host) troubles.push(`external: ${request.url()}`);
  });
  page.on("websocket", (socket) => {
    if (new URL(socket.url()).host !== host) troubles.push(`external: ${socket.url()}`);
  });
  await page.exposeFunction("reportViolation", (what: string) => troubles.push(`policy: ${what}`));
  await page.addInitScript({ path: PROBES });
  await page.goto(url);
  return { page, troubles };
}
