// The log: what is in a line and what is not, by level.

import assert from "node:assert/strict";
import { after, type TestContext, test } from "node:test";
import type { JournalOptions } from "../../../server/observe/journal.ts";
import { RawConnection } from "../connections.ts";
import { closeEngine, post, serveNano } from "../http/http_server.ts";

after(closeEngine);

async function logged(t: TestContext, options: JournalOptions) {
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  return { lines, server: await serveNano(t, { token: "t0ken", log: { ...options, destination } }) };
}

const request = { model: "nano:math", prompt: "Add 2 and 3.", max_tokens: 3 };

test("info: one line a generation, over HTTP and WebSocket, with its id and figures, without its text", async (t) => {
  const { lines, server } = await logged(t, { level: "info" });
  const { body } = await post(`${server.baseUrl}/completions`, request, { "x-request-id": "mine" });
  const connection = await RawConnection.open(server.url, { headers: { "x-request-id": "socket" } });
  connection.say({ type: "generate", id: "a", prompt: "Hi", mixture: "default", maxTokens: 2 });
  await connection.hear({ type: "done" });
  const [http, stream] = lines.filter(({ msg }) => msg === "generation");
  assert.deepEqual(
    [http.request, http.transport, http.models, http.outcome, http.completionTokens],
    ["mine", "http", ["nano:math"], "length", 3],
  );
  assert.deepEqual([stream.request, stream.transport, stream.models], ["socket/a", "websocket", ["nano:default"]]);
  const text = (body.choices as { text: string }[])[0].text;
  assert.ok(!JSON.stringify(lines).includes("Add 2") && !JSON.stringify(lines).includes(JSON.stringify(text)));
});

test("with prompts: what was asked and answered", async (t) => {
  const { lines, server } = await logged(t, { level: "info", prompts: true });
  const { body } = await post(`${server.baseUrl}/completions`, request);
  const entry = lines.find(({ msg }) => msg === "generation");
  assert.deepEqual(entry?.asked, { prompt: "Add 2 and 3." });
  assert.equal(entry?.answered, (body.choices as { text: string }[])[0].text);
});

test("warn: refusals and what administrators could not do; nothing of requests that went well", async (t) => {
  const { lines, server } = await logged(t, { level: "warn" });
  await post(`${server.baseUrl}/completions`, request);
  assert.deepEqual(lines, []);
  await post(`${server.baseUrl}/unload_lora_adapter`, { lora_name: "x" });
  await post(`${server.baseUrl}/unload_lora_adapter`, { lora_name: "x" }, { authorization: "Bearer t0ken" });
  assert.deepEqual(
    lines.map(({ level, msg, code, act }) => [level, msg, code, act]),
    [
      ["warn", "refused", "not_permitted", undefined],
      ["warn", "administration failed", "unknown_adapter", "unload_adapter"],
    ],
  );
});

test("an id that could be mistaken in a log is not taken over; every answer has one", async (t) => {
  const { server } = await logged(t, { level: "off" });
  const ask = async (id: string) =>
    (await fetch(server.baseUrl.replace("/v1", "/none"), { headers: { "x-request-id": id } })).headers.get(
      "x-request-id",
    );
  assert.equal(await ask("abc-1.2:3"), "abc-1.2:3");
  for (const id of ['a"b', "a b", "x".repeat(129)]) assert.match((await ask(id)) ?? "", /^[0-9a-f-]{36}$/);
});
