// A server's end by its engine's: with the real engine on a device that is lost while it runs.

import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { serveUntilEnd } from "../../cli/serving.ts";
import { Engine } from "../../engine/engine.ts";
import { nodeHost } from "../../node/host.ts";
import { MoloraError } from "../../proto/errors.ts";
import { serve } from "../../server/http/serve.ts";
import { until } from "../server/connections.ts";

async function setUp(t: TestContext, exitOnFailure: boolean) {
  const host = nodeHost();
  let device: GPUDevice | undefined;
  const openGpu = async () => {
    const opened = await host.openGpu();
    device = opened.device;
    return opened;
  };
  const engine = await Engine.load({ ...host, openGpu }, { model: "models/nano" });
  t.after(() => engine.close());
  const server = await serve(engine);
  const said: string[] = [];
  const interrupt = new AbortController();
  const ended = serveUntilEnd({
    engine,
    server,
    output: { note: (line) => said.push(line) },
    signal: interrupt.signal,
    drainMs: 0,
    exitOnFailure,
  }).then(
    () => undefined,
    (thrown: unknown) => MoloraError.from(thrown),
  );
  const ask = () =>
    fetch(`${server.baseUrl}/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "nano", prompt: "x", max_tokens: 400, ignore_eos: true }),
    });
  const health = async () => {
    const response = await fetch(server.baseUrl.replace("/v1", "/health"));
    return [response.status, ((await response.json()) as { status: string }).status];
  };
  return { device: device!, server, said, interrupt, ended, ask, health };
}

test("an engine that fails ends the server with its error, which the command line makes exit code 1", async (t) => {
  const { device, server, said, ended, ask } = await setUp(t, true);
  const asked = ask();
  await until(() => server.running === 1, "for it to run");
  device.destroy();
  const answer = await asked;
  assert.equal(answer.status, 503);
  assert.equal((await ended)?.code, "gpu_lost");
  assert.match(said.join("\n"), /the engine ended: error\[gpu_lost\]: the device was lost/);
  await assert.rejects(fetch(server.baseUrl), "the port is free");
});

test("told to stay, it answers 503 until it is interrupted, and is no failure then", async (t) => {
  const { device, server, said, interrupt, ended, ask, health } = await setUp(t, false);
  assert.deepEqual(await health(), [200, "ok"]);
  const asked = ask();
  await until(() => server.running === 1, "for it to run");
  device.destroy();
  await asked;
  assert.deepEqual(await health(), [503, "failed"]);
  assert.equal((await ask()).status, 503);
  assert.match(said.join("\n"), /the engine ended: error\[gpu_lost\]/);
  interrupt.abort();
  assert.equal(await ended, undefined);
});

test("a server that is closed by its owner says nothing of a failure", async (t) => {
  const { said, interrupt, ended } = await setUp(t, true);
  interrupt.abort();
  assert.equal(await ended, undefined);
  assert.deepEqual(said, ["closing"]);
});
