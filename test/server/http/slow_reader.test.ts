// A client that stops reading its event stream: it is cut off after the stall time, and nobody beside it waits.

import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, test } from "node:test";
import { serve } from "../../../server/http/serve.ts";
import { until } from "../connections.ts";
import { ScriptedEngine } from "../scripted_engine.ts";
import { closeEngine, nano, post } from "./http_server.ts";

after(closeEngine);

test("a stream that nobody reads is cut off, its request cancelled, and others are answered meanwhile", async (t) => {
  const { tokenizer, contextLength, capacity } = await nano();
  const engine = Object.assign(new ScriptedEngine(), {
    tokenizer,
    contextLength,
    capacity,
    tokenizerOf: () => tokenizer,
    promptIds: async () => [1],
  });
  const server = await serve(engine, { limits: { stallMs: 400, closeMs: 100 } });
  t.after(() => server.close());
  const endless = JSON.stringify({ tokens: 1e6, size: 64 * 1024 });
  const body = JSON.stringify({ model: "scripted", prompt: endless, stream: true });
  const socket = connect(server.port, "127.0.0.1", () => {
    socket.write(`POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`);
    socket.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  });
  socket.on("error", () => {});
  socket.pause();
  t.after(() => socket.destroy());
  const pulled = () => engine.pulled.get(endless) ?? 0;
  await until(() => pulled() > 10, "for it to begin");
  const quick = { model: "scripted", prompt: JSON.stringify({ tokens: 50 }) };
  for (let i = 0; i < 5; i++) assert.equal((await post(`${server.baseUrl}/completions`, quick)).status, 200);
  await until(() => engine.running === 0, "for the slow reader's request to be cancelled", 20_000);
  assert.ok(engine.cancelled.includes(endless));
  // What the kernels on both sides take, and no more.
  assert.ok(pulled() * 64 * 1024 < 40 * 2 ** 20, `${pulled()} tokens were pulled`);
});
