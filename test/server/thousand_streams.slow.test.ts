// A thousand WebSockets at once, each with a stream of the real engine, a tenth of them cut in the middle: the others get their
// answers whole, a person is served meanwhile, and nothing is left behind.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Engine } from "../../node/index.ts";
import { MoloraClient } from "../../proto/client.ts";
import { serve } from "../../server/http/serve.ts";
import { RawConnection, until } from "./connections.ts";

const COUNT = 1000;
const USES = [{}, { adapter: "math" }, { adapter: "sql" }, { mixture: "default" }];
const request = (i: number) => ({
  prompt: `Count to ${i % 10}.`,
  maxTokens: 6,
  ignoreEos: true,
  ...USES[i % USES.length],
});

test("a thousand streams, a tenth of them cut", { timeout: 15 * 60_000 }, async (t) => {
  const engine = await Engine.load({ contextLength: 512, poolBytes: 128 * 2 ** 20 });
  t.after(() => engine.close());
  const server = await serve(engine, { limits: { maxSockets: COUNT + 50 } });
  t.after(() => server.close());
  const expected = new Map<string, string>();
  const person = await MoloraClient.connect(server.url);
  t.after(() => person.close());
  for (let i = 0; i < 20; i++) {
    let text = "";
    for await (const event of person.generate(request(i))) text += event.text;
    expected.set(`${i % 10} ${i % 4}`, text);
  }

  const connections = await Promise.all(Array.from({ length: COUNT }, () => RawConnection.open(server.url)));
  assert.ok(server.sockets > COUNT);
  for (const [i, connection] of connections.entries()) connection.say({ type: "generate", id: "a", ...request(i) });
  const isCut = (i: number) => i % 10 === 7;
  for (const [i, connection] of connections.entries()) {
    if (isCut(i)) setTimeout(() => connection.socket.terminate(), 5 * i);
  }
  const health: number[] = [];
  let over = false;
  const watching = (async () => {
    while (!over) {
      const begun = performance.now();
      await (await fetch(`http://127.0.0.1:${server.port}/health`)).text();
      health.push(performance.now() - begun);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  })();
  const ended = ({ heard }: RawConnection) => heard.some(({ type }) => type === "done" || type === "error");
  while (!connections.every((connection, i) => isCut(i) || ended(connection))) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  over = true;
  await watching;
  for (const [i, { heard }] of connections.entries()) {
    const text = heard.map(({ text: piece = "" }) => piece).join("");
    const right = expected.get(`${i % 10} ${i % 4}`)!;
    if (isCut(i)) assert.ok(right.startsWith(text), `${i}: ${text}`);
    else assert.equal(text, right, `${i}: ${JSON.stringify(heard.at(-1))}`);
  }
  const { running, waiting } = engine.stats();
  assert.deepEqual([running, waiting], [0, 0]);
  for (const { socket } of connections) socket.terminate();
  await until(() => server.sockets <= 2, "for the sockets to go");
  console.log(`/health: ${health.length} times, ${Math.max(...health).toFixed(0)} ms at most`);
  assert.ok(Math.max(...health) < 2000, "a person is not kept waiting");
});
