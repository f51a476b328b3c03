// A server's end by its engine's, on a real server. How an engine comes to its end, test/engine/failures.test.ts shows.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { serveUntilEnd } from "../../cli/serving.ts";
import { Engine } from "../../node/index.ts";
import { MoloraError } from "../../proto/errors.ts";
import { serve } from "../../server/http/serve.ts";

const LOST = new MoloraError("gpu_lost", "the device was lost", { remedy: "Start the engine again." });

async function setUp(t: TestContext, exitOnFailure: boolean) {
  const engine = await Engine.load();
  t.after(() => engine.close());
  const server = await serve(engine);
  const said: string[] = [];
  const interrupt = new AbortController();
  let lose = () => {};
  const lost = new Promise<MoloraError>((resolve) => {
    lose = () => resolve(LOST);
  });
  const ended = serveUntilEnd({
    engine: { ended: Promise.race([engine.ended, lost]) },
    server,
    output: { note: (line) => said.push(line) },
    signal: interrupt.signal,
    drainMs: 0,
    exitOnFailure,
  }).then(
    () => undefined,
    (thrown: unknown) => MoloraError.from(thrown),
  );
  const probe = async (path: string) => {
    const response = await fetch(server.baseUrl.replace("/v1", path));
    const { status, error } = (await response.json()) as { status: string; error?: { code: string } };
    return [response.status, status, error?.code];
  };
  return { engine, server, said, interrupt, lose, ended, probe };
}

test("an engine that fails ends the server with its error, which the command line makes exit code 1", async (t) => {
  const { server, said, lose, ended } = await setUp(t, true);
  lose();
  assert.equal((await ended)?.code, "gpu_lost");
  assert.match(said[0], /the engine ended: error\[gpu_lost\]: the device was lost\. Start the engine again\./);
  await assert.rejects(fetch(server.baseUrl), "the port is free");
});

test("told to stay, it goes on until it is interrupted, and is no failure then", async (t) => {
  const { said, lose, interrupt, ended, probe } = await setUp(t, false);
  lose();
  assert.deepEqual(await probe("/health"), [200, "ok", undefined], "it is still there to be asked");
  assert.match(said.join("\n"), /the engine ended: error\[gpu_lost\]/);
  interrupt.abort();
  assert.equal(await ended, undefined);
});

test("an engine that takes no more requests makes /health and /ready 503", async (t) => {
  const { engine, server, probe, interrupt, ended } = await setUp(t, false);
  assert.deepEqual(await probe("/ready"), [200, "ok", undefined]);
  await engine.close();
  for (const path of ["/health", "/ready"]) assert.deepEqual(await probe(path), [503, "failed", "engine_closed"]);
  const asked = await fetch(`${server.baseUrl}/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "nano", prompt: "x" }),
  });
  assert.equal(asked.status, 503);
  interrupt.abort();
  assert.equal(await ended, undefined);
});

test("a server that is closed by its owner says nothing of a failure", async (t) => {
  const { said, interrupt, ended } = await setUp(t, true);
  interrupt.abort();
  assert.equal(await ended, undefined);
  assert.deepEqual(said, ["closing"]);
});
