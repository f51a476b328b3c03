// A person's way through the playground, on the real engine in a real browser: both themes, desktop and phone.
// MOLORA_SCREENSHOTS=1 keeps what it looks like in docs/.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { after, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";
import type { ServeOptions } from "../../server/http/serve.ts";
import { playground } from "../../server/playground/static.ts";
import { openBrowser, openPage } from "./browser.ts";
import { closeEngine, nano, serveNano } from "./http/http_server.ts";

after(closeEngine);

/** Milliseconds a state may take to come: a software adapter on a busy machine writes a few tokens a second. */
const PATIENCE = 240_000;

const DESKTOP = { viewport: { width: 1280, height: 860 } };
const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true };

const SQL = "Write a SQL query: how many players are older than 30?";
const APPLES = "Tom has 12 apples and buys 5 more. How many does he have now?";
const HEALTH = "What are the symptoms of asthma? Then write a SQL query for the patients older than 30.";

/** Of page_probes.mjs, inside the page. */
declare const probes: {
  isInSight(element: unknown): boolean;
  canvasColors(canvas: unknown): string[];
};

interface Visit {
  page: Page;
  troubles: string[];
  browser: Browser;
  url: string;
}

/** A page of a fresh server, once it knows the engine; undefined where there is no browser. */
async function visit(t: TestContext, options: BrowserContextOptions, serving: ServeOptions = {}) {
  const browser = await openBrowser(t);
  if (browser === undefined) return undefined;
  const server = await serveNano(t, { routes: playground, ...serving });
  const url = `http://127.0.0.1:${server.port}/`;
  const { page, troubles } = await openPage(browser, url, options);
  page.setDefaultTimeout(PATIENCE);
  if (serving.apiKey === undefined) await page.locator("#status[data-state=open]").waitFor();
  return { page, troubles, browser, url } satisfies Visit;
}

async function ask(page: Page, prompt: string): Promise<void> {
  await page.getByLabel("Prompt", { exact: true }).fill(prompt);
  await page.keyboard.press("Enter");
}

/** The reply of that number, once it is complete. */
async function reply(page: Page, index: number): Promise<Locator> {
  const one = page.getByRole("article").nth(index);
  await one.and(page.locator("[aria-busy=false]")).waitFor();
  return one;
}

const textOf = (one: Locator) => one.locator(".text").evaluate((element) => element.textContent ?? "");
const shown = (page: Page) => page.getByRole("region", { name: /^Token/ });
/** Until what was asked to be drawn before this call has been drawn. */
const frame = (page: Page) => page.evaluate("new Promise(requestAnimationFrame)");
/** A function, not a string: Playwright evaluates a string but does not call the function it may stand for. */
const colors = (map: Locator) => map.evaluate((canvas) => probes.canvasColors(canvas));
const isInSight = (one: Locator) => one.evaluate((element) => probes.isInSight(element));
const hues = (one: Locator) =>
  one.locator(".text .token").evaluateAll((all) => [...new Set(all.map((span) => span.dataset.hue))]);

/** The settings of a lane. B's are there from the start, hidden until there is something to compare. */
const lane = (page: Page, name: "A" | "B") => page.locator(`form[aria-label="Settings ${name}"]`);
/** Of a reply's tokens, those of that hue. */
const share = async (one: Locator, hue: string) =>
  (await one.locator(`.text .token[data-hue="${hue}"]`).count()) / (await one.locator(".text .token").count());

/** What holds in every state of the page. */
async function checkAccess(page: Page): Promise<void> {
  assert.deepEqual(await page.evaluate("probes.lowContrast()"), [], "contrast of at least 4.5");
  assert.deepEqual(await page.evaluate("probes.unnamed()"), [], "every control has a name");
  assert.deepEqual(await page.evaluate("probes.brokenReferences()"), []);
  assert.deepEqual(await page.evaluate("probes.smallTargets()"), []);
  assert.equal(await page.evaluate("probes.overflow()"), 0, "nothing scrolls sideways");
}

async function screenshot(page: Page, name: string): Promise<void> {
  if (process.env.MOLORA_SCREENSHOTS !== "1") return;
  const docs = fileURLToPath(new URL("../../../docs/", import.meta.url));
  await mkdir(docs, { recursive: true });
  await page.screenshot({ path: `${docs}playground-${name}.png` });
}

test("type, stream, see the experts, open a token by keyboard and by mouse", async (t) => {
  const visited = await visit(t, { ...DESKTOP, colorScheme: "light" });
  if (visited === undefined) return;
  const { page, troubles } = visited;
  assert.deepEqual(await page.locator("#legend li").allTextContents(), ["base", "math", "sql", "medical", "code"]);
  assert.ok(await page.getByRole("radio", { name: "Mixture" }).isChecked(), "the mixture is what one comes for");
  await checkAccess(page);

  await lane(page, "A").getByLabel("Temperature").fill("0");
  await lane(page, "A").getByLabel("Max tokens").fill("48");
  // Watched from before the question on: the answer takes a fraction of a second.
  const growing = page.evaluate(`probes.widthsUntil("canvas", "article[aria-busy=false]")`) as Promise<number[]>;
  await ask(page, SQL);
  const map = page.locator("canvas");
  const widths = await growing;
  assert.ok(widths.length > 2, "the heat-map grows as tokens come");
  assert.deepEqual(
    widths,
    widths.toSorted((a, b) => a - b),
  );
  const answer = await reply(page, 0);

  let expected = "";
  let count = 0;
  const request = { messages: [{ role: "user", content: SQL }], mixture: "default", temperature: 0, maxTokens: 48 };
  for await (const event of (await nano()).generate(request)) {
    expected += event.text;
    if (event.type === "token") count += 1;
  }
  assert.equal(await textOf(answer), expected, "what the engine says, and all of it");
  assert.equal(await answer.locator(".text .token").count(), count);
  assert.equal(await answer.locator(".count").textContent(), String(count));
  assert.match((await answer.locator(".ttft").textContent()) ?? "", /^[\d.]+ m?s$/);
  assert.match((await answer.locator(".rate").textContent()) ?? "", /^\d+\.\d$/);
  assert.ok((await hues(answer)).includes("2"), "sql is the legend's second adapter");
  const drawn = await colors(map);
  assert.ok(drawn.includes("213,94,0"), "sql's orange on the map");
  assert.match((await page.locator("#announcer").textContent()) ?? "", /Reply A ended after \d+ tokens/);

  const slider = answer.getByLabel("Inspect token");
  await slider.focus();
  assert.equal(await shown(page).count(), 0);
  await page.keyboard.press("ArrowRight");
  await shown(page).waitFor();
  assert.match((await shown(page).textContent()) ?? "", /^\s*Token 2: /);
  assert.equal(await page.locator("#details-layers tr").count(), 16, "two experts in each of 8 layers");
  assert.match(
    (await slider.evaluate((input) => input.ariaValueText)) ?? "",
    /^2 of \d+, “.*”: sql in \d of 8 layers\.$/,
  );
  assert.equal(await answer.locator(".text [data-current]").getAttribute("data-index"), "1");
  await checkAccess(page);
  await page.keyboard.press("End");
  assert.match((await shown(page).textContent()) ?? "", new RegExp(`Token ${count}: `));
  await page.keyboard.press("Escape");
  await shown(page).waitFor({ state: "hidden" });
  assert.equal(await answer.locator("[data-current]").count(), 0);

  await answer.locator(".text .token").nth(2).hover();
  await shown(page).waitFor();
  assert.match((await shown(page).textContent()) ?? "", /^\s*Token 3: /);
  await page.getByRole("heading", { level: 1 }).hover();
  await shown(page).waitFor({ state: "hidden" });
  await map.hover({ position: { x: 5, y: 20 } });
  await shown(page).waitFor();
  const pointed = page.locator("#details-layers [data-current] th");
  assert.deepEqual(await pointed.allTextContents(), ["1", "1"], "the layer pointed at, an expert a row");
  assert.deepEqual(troubles, []);
});

test("a conversation across domains: each turn in its expert's colour, and the next knows the last", async (t) => {
  const visited = await visit(t, { viewport: { width: 1280, height: 1012 }, colorScheme: "light" });
  if (visited === undefined) return;
  const { page, troubles } = visited;
  assert.match((await page.locator("#status").textContent()) ?? "", /^nano: .*too small to make sense/);
  await lane(page, "A").getByLabel("Seed").fill("6");
  await lane(page, "A").getByLabel("Max tokens").fill("64");
  await ask(page, APPLES);
  const first = await reply(page, 0);
  assert.ok((await share(first, "1")) > 0.8, "math");
  await ask(page, SQL);
  const second = await reply(page, 1);
  assert.ok((await share(second, "2")) > 0.8, "sql");

  const said = (role: "user" | "assistant", content: string) => ({ role, content });
  const messages = [said("user", APPLES), said("assistant", await textOf(first)), said("user", SQL)];
  const request = { messages, mixture: "default", temperature: 0.7, topP: 0.9, seed: 6, maxTokens: 64 };
  let expected = "";
  for await (const event of (await nano()).generate(request)) expected += event.text;
  assert.equal(await textOf(second), expected);

  await second.locator("canvas").click({ position: { x: 45, y: 20 } });
  await shown(page).waitFor();
  const [details, map] = [await shown(page).boundingBox(), await second.locator("[data-current]").boundingBox()];
  assert.ok(map!.x + map!.width <= details!.x, "beside the token, not over it");
  await checkAccess(page);
  await screenshot(page, "light");
  assert.ok(await isInSight(page.locator("#legend")), "the key to the colours, however long the chat");
  assert.deepEqual(troubles, []);
});

test("adapter, weights, base: each reply shows who served it", async (t) => {
  const visited = await visit(t, { ...DESKTOP, colorScheme: "dark" });
  if (visited === undefined) return;
  const { page, troubles } = visited;
  await lane(page, "A").getByLabel("Max tokens").fill("12");

  await page.getByRole("radio", { name: "Mixture" }).focus();
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowLeft");
  assert.ok(await page.getByRole("radio", { name: "Adapter" }).isChecked(), "by the keyboard");
  await page.getByRole("combobox", { name: "Adapter" }).selectOption("medical");
  await ask(page, HEALTH);
  const adapter = await reply(page, 0);
  assert.deepEqual(await hues(adapter), ["3"]);
  assert.equal(await adapter.getByRole("heading").textContent(), "A adapter medical");

  await page.getByRole("radio", { name: "Weights" }).check();
  for (const [name, weight] of [
    ["math", "0.25"],
    ["sql", "0"],
    ["medical", "0"],
    ["code", "1.5"],
  ]) {
    await lane(page, "A").locator(".weights").getByLabel(name).fill(weight);
  }
  await ask(page, SQL);
  const stack = await reply(page, 1);
  assert.equal(await stack.locator(".route").textContent(), "code 1.50 + math 0.25");
  assert.deepEqual(await hues(stack), ["4"], "the heaviest gives the colour");
  await stack.locator(".text .token").first().click();
  assert.equal(await page.locator("#details-layers tr").count(), 16, "two experts in each of 8 layers");
  const gates = page.locator("#details-layers td:last-child");
  assert.deepEqual([await gates.nth(0).textContent(), await gates.nth(1).textContent()], ["1.50", "0.25"]);
  await checkAccess(page);
  await page.keyboard.press("Escape");

  await page.getByRole("radio", { name: "Base" }).check();
  await ask(page, SQL);
  const base = await reply(page, 2);
  assert.deepEqual(await hues(base), ["0"]);

  const before = await colors(base.locator("canvas"));
  await page.getByLabel("Theme").selectOption("light");
  await frame(page);
  const light = await colors(base.locator("canvas"));
  assert.notDeepEqual(light, before, "the map follows the theme");
  await checkAccess(page);
  await page.reload();
  await page.locator("#status[data-state=open]").waitFor();
  assert.equal(await page.getByLabel("Theme").inputValue(), "light", "the theme is remembered");
  assert.deepEqual(troubles, []);
});

test("two settings side by side on one prompt, then stop half-way", async (t) => {
  const visited = await visit(t, { ...DESKTOP, colorScheme: "light" });
  if (visited === undefined) return;
  const { page, troubles } = visited;
  await lane(page, "A").getByLabel("Temperature").fill("0.7");
  await lane(page, "A").getByLabel("Seed").fill("7");
  await lane(page, "A").getByLabel("Max tokens").fill("64");
  await page.getByRole("button", { name: "Compare" }).click();
  const second = lane(page, "B");
  assert.equal(await second.getByLabel("Seed").inputValue(), "7", "B starts from A's settings");
  await second.getByRole("radio", { name: "Adapter" }).check();
  await second.getByRole("combobox", { name: "Adapter" }).selectOption("math");
  await ask(page, HEALTH);
  const [a, b] = [await reply(page, 0), await reply(page, 1)];
  assert.equal(await page.locator(".turn").count(), 1, "one prompt");
  assert.deepEqual(await hues(b), ["1"]);
  assert.notEqual(await textOf(a), await textOf(b));
  const [boxA, boxB] = [await a.boundingBox(), await b.boundingBox()];
  assert.ok(boxA!.x + boxA!.width <= boxB!.x && boxA!.y === boxB!.y, "side by side");
  await checkAccess(page);
  await a.locator(".text .token").nth(3).click();
  await shown(page).waitFor();
  await page.getByLabel("Theme").selectOption("dark");
  await frame(page);
  await checkAccess(page);
  await page.keyboard.press("Escape");
  await page.getByRole("heading", { level: 1 }).hover();
  await screenshot(page, "dark");

  // Long enough never to end by itself meanwhile
  for (const form of [lane(page, "A"), second]) {
    await form.getByRole("radio", { name: "Base" }).check();
    await form.getByLabel("Temperature").fill("2");
    await form.getByLabel("Top-p").fill("1");
    await form.getByLabel("Max tokens").fill("700");
  }
  await ask(page, "Tell me a long story.");
  await page.locator("article").nth(3).locator(".token").nth(4).waitFor();
  await page.getByRole("button", { name: "Stop" }).click();
  for (const index of [2, 3]) {
    const stopped = await reply(page, index);
    assert.equal(await stopped.locator(".outcome").textContent(), "Stopped.");
    assert.ok((await stopped.locator(".text .token").count()) < 700);
  }
  assert.equal((await nano()).stats().running, 0, "both slots are free");
  assert.ok(await page.getByRole("button", { name: "Send" }).isVisible());

  await page.getByRole("button", { name: "New chat" }).click();
  assert.equal(await page.locator(".turn").count(), 0);
  await ask(page, "word ".repeat(2000));
  const failed = await reply(page, 0);
  assert.match((await failed.locator(".outcome").textContent()) ?? "", /\(prompt_too_long\)/);
  await checkAccess(page);
  assert.deepEqual(troubles, []);
});

test("on a phone of 360 pixels, by touch, in the dark", async (t) => {
  const visited = await visit(t, { ...PHONE, colorScheme: "dark" });
  if (visited === undefined) return;
  const { page, troubles } = visited;
  await checkAccess(page);
  const settings = page.locator(".lane").first();
  assert.equal(await settings.getAttribute("open"), null, "settings are folded away");
  await settings.locator("summary").tap();
  await lane(page, "A").getByLabel("Seed").fill("3");
  await lane(page, "A").getByLabel("Max tokens").fill("56");
  await checkAccess(page);
  await settings.locator("summary").tap();
  await page.getByRole("button", { name: /asthma/ }).tap();
  const answer = await reply(page, 0);
  const token = answer.locator(".text .token").nth(1);
  await token.tap();
  await shown(page).waitFor();
  const [sheet, tapped] = [await shown(page).boundingBox(), await token.boundingBox()];
  assert.equal(sheet!.width, 360, "a sheet along an edge");
  assert.ok(tapped!.y + tapped!.height <= sheet!.y || tapped!.y >= sheet!.y + sheet!.height, "not over the token");
  await checkAccess(page);
  await screenshot(page, "phone-token");
  await page.getByRole("button", { name: "Close the token's details" }).tap();
  await shown(page).waitFor({ state: "hidden" });
  await screenshot(page, "phone");

  await page.getByRole("button", { name: "Compare" }).tap();
  await page.getByLabel("Prompt", { exact: true }).fill(SQL);
  await page.getByRole("button", { name: "Send" }).tap();
  const [a, b] = [await reply(page, 1), await reply(page, 2)];
  const [boxA, boxB] = [await a.boundingBox(), await b.boundingBox()];
  assert.ok(boxA!.y + boxA!.height <= boxB!.y && boxA!.x === boxB!.x, "one below the other");
  await checkAccess(page);
  assert.deepEqual(troubles, []);
});

test("a server with a key asks for it; a wrong one is refused, the right one lets in", async (t) => {
  const visited = await visit(t, DESKTOP, { apiKey: "geheim ✓" });
  if (visited === undefined) return;
  const { page, troubles, url } = visited;
  const key = page.getByLabel("This server asks for its API key");
  await key.waitFor();
  await checkAccess(page);
  await key.fill("wrong");
  await key.press("Enter");
  await page.getByRole("alert").and(page.getByText("The server refused this key.")).waitFor();
  assert.ok(await key.isVisible());
  await checkAccess(page);
  await key.fill("geheim ✓");
  await key.press("Enter");
  await page.locator("#status[data-state=open]").waitFor();
  assert.ok(await key.isHidden());
  assert.equal(await page.getByRole("alert").count(), 0);
  await lane(page, "A").getByLabel("Max tokens").fill("4");
  await ask(page, SQL);
  await reply(page, 0);
  // A browser logs by itself each socket and each answer that a server refuses: two attempts, and nothing beside them
  const socket = `console: WebSocket connection to '${url.replace("http", "ws")}v1/stream' failed: HTTP Authentication failed; no valid credentials available`;
  const answer = "console: Failed to load resource: the server responded with a status of 401 (Unauthorized)";
  assert.deepEqual(troubles, [socket, answer, socket, answer]);
});

test("the policy holds in the browser, and a page that broke it would be heard", async (t) => {
  const visited = await visit(t, DESKTOP);
  if (visited === undefined) return;
  const { page, troubles } = visited;
  assert.equal(troubles.join("\n"), "");
  const attempts = {
    "img-src": "document.body.append(Object.assign(new Image(), { src: 'https://elsewhere.invalid/a.png' }))",
    "connect-src": "fetch('https://elsewhere.invalid/').catch(() => undefined)",
    "style-src-attr": "document.body.setAttribute('style', 'color: red')",
    "require-trusted-types-for": "document.body.insertAdjacentHTML('beforeend', '<b>markup</b>')",
  };
  for (const [directive, attempt] of Object.entries(attempts)) {
    const violated = await page.evaluate(`new Promise((heard) => {
      addEventListener("securitypolicyviolation", ({ violatedDirective }) => heard(violatedDirective), { once: true });
      try { ${attempt} } catch {}
    })`);
    assert.equal(violated, directive);
    assert.ok(troubles.some((trouble) => trouble.startsWith(`policy: ${directive}`)));
  }
});
