// Every script of examples/ as a reader would run it, each in a process of its own; clients meet a server of this process.
// What they print is compared with what the engine says, where it is greedy text.

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { after, type TestContext, test } from "node:test";
import { openBrowser } from "../server/browser.ts";
import { closeEngine, nano, serveNano } from "../server/http/http_server.ts";

after(closeEngine);

const QUESTION = "How many singers are there?";
const RUN = new Set<string>();

/** Standard output of an example that must succeed. */
async function run(command: string, file: string, ...rest: string[]): Promise<string> {
  const child = start(command, file, ...rest);
  const [output, errors] = [read(child.stdout), read(child.stderr)];
  const code = await new Promise((resolve) => child.once("close", resolve));
  assert.equal(code, 0, `${file} exited with ${code}: ${await errors}`);
  return output;
}

function start(command: string, file: string, ...rest: string[]): ChildProcess {
  RUN.add(file);
  return spawn(command, [`examples/${file}`, ...rest], { stdio: ["ignore", "pipe", "pipe"] });
}

async function read(stream: ChildProcess["stdout"]): Promise<string> {
  let text = "";
  for await (const chunk of stream ?? []) text += String(chunk);
  return text;
}

async function greedy(request: object, maxTokens: number): Promise<string> {
  let text = "";
  const events = (await nano()).generate({ prompt: QUESTION, maxTokens, ...request });
  for await (const event of events) text += event.text;
  return text;
}

function has(command: string, ...probe: string[]): boolean {
  return spawnSync(command, probe).status === 0;
}

test("embed.mjs", async () => {
  assert.ok((await run("node", "embed.mjs")).startsWith(await greedy({ mixture: "default" }, 24)));
});

test("websocket.mjs", async (t) => {
  const { url } = await serveNano(t);
  const routings = [{}, { adapter: "sql" }, { mixture: "default" }];
  const texts = await Promise.all(routings.map((routing) => greedy(routing, 16)));
  const lines = texts.map((text, i) => `${JSON.stringify(routings[i])} ${JSON.stringify(text)}\n`);
  assert.equal(await run("node", "websocket.mjs", url), lines.join(""));
});

test("openai.mjs", async (t) => {
  const { baseUrl } = await serveNano(t);
  const models = "nano nano:math nano:sql nano:medical nano:code nano:default";
  const text = await greedy({ mixture: "default" }, 24);
  assert.equal(await run("node", "openai.mjs", baseUrl), `${models}\n${text}\n`);
});

test("ai_sdk.mjs", async () => {
  assert.match(await run("node", "ai_sdk.mjs"), /^weather \{ city: '(Oslo|Rome)' \}\n\s*\S/);
});

test("langchain.mjs", async () => {
  assert.equal(await run("node", "langchain.mjs"), `${await greedy({ mixture: "default" }, 24)}\n`);
});

test("curl.sh", async (t) => {
  if (!has("curl", "--version")) return t.skip("curl is missing: install it to run this example");
  const { baseUrl } = await serveNano(t);
  const [whole, ...streamed] = (await run("sh", "curl.sh", baseUrl)).split("\n");
  const adapters = [
    { id: "sql", weight: 0.7 },
    { id: "math", weight: 0.3 },
  ];
  assert.equal(JSON.parse(whole).choices[0].message.content, await greedy({ adapters }, 8));
  const chunks = streamed.filter((line) => line.startsWith("data: {")).map((line) => JSON.parse(line.slice(6)));
  const text = chunks.map(({ choices }) => choices[0].delta.content ?? "").join("");
  assert.equal(text, await greedy({ mixture: "default" }, 8));
  assert.ok(streamed.includes("data: [DONE]"));
});

test("websocket.py", async (t) => {
  if (!has("python3", "-c", "import websockets")) {
    return t.skip("Python's websockets is missing: python3 -m pip install websockets");
  }
  const { url } = await serveNano(t);
  assert.equal(await run("python3", "websocket.py", url), `${await greedy({ mixture: "default" }, 24)}\nlength\n`);
});

test("page.mjs and page.html", async (t) => {
  const browser = await openBrowser(t);
  if (browser === undefined) return;
  const url = await startPage(t);
  const page = await browser.newPage();
  await page.goto(url);
  await page.getByRole("button", { name: "Generate" }).click();
  const output = page.locator("output[data-done]");
  await output.waitFor({ timeout: 60_000 });
  assert.equal(await output.textContent(), await greedy({ mixture: "default" }, 24));
});

/** The page's server, on a free port, as a process that ends with the test. */
async function startPage(t: TestContext): Promise<string> {
  const server = start("node", "page.mjs", "0");
  RUN.add("page.html");
  t.after(async () => {
    const closed = new Promise((resolve) => server.once("close", resolve));
    server.kill("SIGTERM");
    await closed;
  });
  return await new Promise<string>((resolve, reject) => {
    server.stdout?.once("data", (line) => resolve(String(line).trim()));
    server.once("close", (code) => reject(new Error(`page.mjs exited with ${code}`)));
  });
}

test("no example is left out", () => {
  // These may have been skipped for want of a tool; test/browser runs those of a browser.
  const optional = ["curl.sh", "websocket.py", "page.mjs", "page.html", "browser.mjs", "browser.html"];
  const missed = readdirSync("examples").filter((file) => !RUN.has(file) && !optional.includes(file));
  assert.deepStrictEqual(missed, []);
});
