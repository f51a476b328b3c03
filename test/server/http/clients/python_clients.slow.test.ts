// The clients strangers bring in Python (python_clients.py says which, and what each does) against the real engine. They are
// installed into a folder of their own; without Python or a registry this skips, loudly. A virtual environment that has
// them already is named by MOLORA_PYTHON_CLIENTS.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { closeEngine, nano, serveNano } from "../http_server.ts";

after(closeEngine);

const FOLDER = "test/server/http/clients";
const QUESTION = "How many singers are there?\nTable columns: age, name, singer";
const MINUTE = 60_000;

interface Ran {
  failed: boolean;
  stdout: string;
  stderr: string;
}

function run(minutes: number, command: string, ...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(command, args, { timeout: minutes * MINUTE, maxBuffer: 2 ** 26 }, (error, stdout, stderr) =>
      resolve({ failed: error !== null, stdout, stderr }),
    );
  });
}

/** Python with the clients; undefined, and the test skipped, where there can be none. */
async function python(t: TestContext): Promise<string | undefined> {
  const ready = process.env.MOLORA_PYTHON_CLIENTS;
  if (ready !== undefined) return join(ready, "bin", "python");
  const venv = await mkdtemp(join(tmpdir(), "molora-python-"));
  t.after(() => rm(venv, { recursive: true, force: true }));
  const made = await run(2, "python3", "-m", "venv", venv);
  if (made.failed) {
    t.skip(`no virtual environment, so that NO Python client was tried: ${made.stderr}`);
    return undefined;
  }
  const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", `${FOLDER}/requirements.txt`];
  const installed = await run(20, join(venv, "bin", "python"), ...pip);
  if (!installed.failed) return join(venv, "bin", "python");
  const unreachable = /No matching distribution|Connection|Temporary failure|Max retries|timed out/i;
  assert.match(installed.stderr, unreachable, installed.stderr);
  t.skip(`pip reaches no registry that has the clients, so that NO Python client was tried: ${installed.stderr}`);
  return undefined;
}

test("openai, LiteLLM, LangChain, instructor, pydantic-ai and the Agents SDK of Python", async (t) => {
  const interpreter = await python(t);
  if (interpreter === undefined) return;
  let expected = "";
  for await (const event of (await nano()).generate({ prompt: QUESTION, mixture: "default", maxTokens: 400 })) {
    expected += event.text;
    if (event.type === "done") assert.equal(event.finishReason, "stop");
  }
  const { baseUrl } = await serveNano(t);
  const { stdout, stderr, failed } = await run(20, interpreter, `${FOLDER}/python_clients.py`, baseUrl, expected);
  assert.ok(!failed, stderr);
  const results = stdout
    .trim()
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line): { client: string; error: string | null } => JSON.parse(line));
  for (const { client, error } of results) {
    await t.test(client, () => assert.equal(error, null, `${client}: ${error}`));
  }
  assert.equal(results.length, 7);
});
