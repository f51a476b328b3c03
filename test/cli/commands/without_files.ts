// A server that may open no file any more: whatever a first request of its kind needs was read when it started.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { Agent, request } from "node:http";
import { createInterface } from "node:readline";
import { start } from "../run.ts";

const CHAT = { model: "nano", messages: [{ role: "user", content: "Add 2 and 3." }], max_tokens: 12 };
const KINDS: Record<string, object> = {
  plain: CHAT,
  routed: { ...CHAT, model: "nano:default", molora: { trace: true } },
  "log-probabilities": { ...CHAT, model: "nano:math", logprobs: true, top_logprobs: 3 },
  streamed: { ...CHAT, stream: true },
  sampled: { ...CHAT, model: "nano:sql", frequency_penalty: 0.5, temperature: 0.8, top_p: 0.9, seed: 1 },
};

/** Over one kept connection, so that asking needs no file of the server's either. */
function asker(port: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return (path: string, body?: object) =>
    new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
      const headers = { "content-type": "application/json" };
      const asked = request({ port, host: "127.0.0.1", path, agent, headers, method: body ? "POST" : "GET" });
      asked.once("error", reject);
      asked.once("response", async (response) => {
        let text = "";
        for await (const chunk of response) text += String(chunk);
        resolve({ status: response.statusCode, text });
      });
      asked.end(body && JSON.stringify(body));
    });
}

/** Linux only: it tells open files by /proc, and limits them by prlimit. */
export async function answersWithoutFiles(device: "cpu" | "gpu"): Promise<void> {
  const child = start(["serve", "--port", "0", "--json", "--device", device]);
  const [line] = await once(createInterface({ input: child.stdout! }), "line");
  const ask = asker((JSON.parse(line) as { port: number }).port);
  assert.equal((await ask("/health")).status, 200);
  // Files are held open for half a second after they were read.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  const open = new Set(readdirSync(`/proc/${child.pid}/fd`).map(Number));
  let lowest = 0;
  while (open.has(lowest)) lowest++;
  execFileSync("prlimit", [`--nofile=${lowest}:20000`, "--pid", String(child.pid)]);
  for (const [kind, body] of Object.entries(KINDS)) {
    const { status, text } = await ask("/v1/chat/completions", body);
    assert.equal(status, 200, `${kind}: ${text}`);
    assert.doesNotMatch(text, /"error"/, kind);
  }
  assert.equal((await ask("/health")).status, 200);
  child.kill("SIGTERM");
  assert.deepEqual(await once(child, "close"), [0, null]);
}
