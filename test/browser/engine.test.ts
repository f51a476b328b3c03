// The engine in a page without WebGPU: with threads where the page is isolated from other origins, with one where it is not.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { Engine } from "../../node/index.ts";
import { openBrowser, openPage } from "../server/browser.ts";

const PROMPT = "Write a SQL query: How many singers are there?";

async function startExample(t: TestContext, flags: readonly string[]): Promise<string> {
  const server: ChildProcess = spawn(process.execPath, ["examples/browser.mjs", "0", ...flags]);
  t.after(() => server.kill());
  const [line] = (await once(server.stdout!, "data")) as [Buffer];
  return line.toString().trim();
}

async function expectedText(): Promise<string> {
  const engine = await Engine.load({ device: "cpu", threads: 1 });
  let text = "";
  for await (const event of engine.generate({ prompt: PROMPT, mixture: "default", maxTokens: 40 })) text += event.text;
  await engine.close();
  return text;
}

for (const { flags, says } of [
  { flags: [], says: /WebAssembly, \d+ threads/ },
  { flags: ["--shared"], says: /WebAssembly, 1 thread \(no cross-origin isolation\)/ },
]) {
  test(`nano and its mixture answer in a page ${flags.join() || "isolated"}, as in Node`, async (t) => {
    const browser = await openBrowser(t);
    if (browser === undefined) return;
    const url = await startExample(t, flags);
    const { page } = await openPage(browser, `${url}?device=cpu`, {});
    await page.waitForFunction("!document.querySelector('button').disabled", undefined, { timeout: 60_000 });
    assert.match((await page.textContent("#state")) ?? "", says);
    await page.click("button");
    await page.waitForFunction("document.querySelector('output').dataset.done", undefined, { timeout: 60_000 });
    assert.equal(await page.textContent("output"), await expectedText());
    const colours = "[...document.querySelectorAll('output span')].map((part) => part.className)";
    const classes = (await page.evaluate(colours)) as string[];
    assert.ok(classes.filter((name) => name === "sql").length > 5, "the words are in sql's colour");
  });
}
