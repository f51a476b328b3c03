// The clients strangers bring in Python (python_clients.py says which, and what each does) against the real engine, installed once
// from pinned requirements (constraints.txt has what they need in turn); without Python or a registry this skips, loudly. A
// virtual environment that has them already is named by MOLORA_PYTHON_CLIENTS.

import assert from "node:assert/strict";
import { join } from "node:path";
import { after, type TestContext, test } from "node:test";
import { pythonWith, run } from "../../../python_venv.ts";
import { closeEngine, nano, serveNano } from "../http_server.ts";

after(closeEngine);

const FOLDER = "test/server/http/clients";
const QUESTION = "How many singers are there?\nTable columns: age, name, singer";

/** Python with the clients; undefined, and the test skipped, where there can be none. */
async function python(t: TestContext): Promise<string | undefined> {
  const ready = process.env.MOLORA_PYTHON_CLIENTS;
  if (ready !== undefined) return join(ready, "bin", "python");
  return pythonWith(t, "clients", [`${FOLDER}/requirements.txt`, `${FOLDER}/constraints.txt`]);
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
