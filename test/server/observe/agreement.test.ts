// A stack whose adapters agree less behind a new generation: in the metrics, in the log, and in the stats of a stream.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Adapter } from "../../../files/lora/adapter.ts";
import { loadAdapter } from "../../../files/lora/load.ts";
import { writePeftAdapter } from "../../../files/lora/peft_write.ts";
import { openModelFiles } from "../../../files/model_files/model_files.ts";
import { openPath } from "../../../node/files.ts";
import { Engine } from "../../../node/index.ts";
import { MoloraClient } from "../../../proto/client.ts";
import { type ServedEngine, serve } from "../../../server/http/serve.ts";

const NANO = "models/nano";
let engine: Engine;
let server: ServedEngine;
const lines: Record<string, unknown>[] = [];

before(async () => {
  engine = await Engine.load({ agreementWindow: 4, agreementDrop: 0.2 });
  server = await serve(engine, {
    log: { level: "warn", destination: { write: (line) => lines.push(JSON.parse(line)) } },
  });
});
after(async () => {
  await server.close();
  await engine.close();
});

async function metric(start: string): Promise<number[]> {
  const text = await (await fetch(`${server.baseUrl.replace("/v1", "")}/metrics`)).text();
  return text
    .split("\n")
    .filter((line) => line.startsWith(start))
    .map((line) => Number(line.split(" ").at(-1)));
}

/** Math's own adapter, its signs as they are or turned around. */
async function loadTwin(adapter: Adapter, sign: number): Promise<void> {
  const { config } = await openModelFiles(await openPath(NANO));
  const layers = adapter.layers.map((layer) =>
    Object.fromEntries(
      Object.entries(layer).map(([name, lora]) => [name, { ...lora, b: lora.b.map((value) => 0.1 * sign * value) }]),
    ),
  );
  const files = writePeftAdapter({ layers }, config);
  const bytes = new Map([
    ["adapter_config.json", new TextEncoder().encode(files.config)],
    ["adapter_model.safetensors", files.safetensors],
  ]);
  await engine.loadFiles("twin", bytes);
}

test("metrics by layer, one line in the log, and the alert in a stream's stats", async (t) => {
  const { config } = await openModelFiles(await openPath(NANO));
  const math = await loadAdapter("math", await openPath(`${NANO}/adapters/math`), config);
  await loadTwin(math, 1);
  const client = await MoloraClient.connect(server.url);
  t.after(() => client.close());
  const adapters = [
    { id: "math", weight: 1 },
    { id: "twin", weight: 1 },
  ];
  const generate = async () => {
    for await (const event of client.generate({
      prompt: "Add 2 and 3.",
      adapters,
      maxTokens: 6,
      ignoreEos: true,
      trace: true,
    })) {
      if (event.type === "done") return event;
    }
    throw new Error("no last event");
  };
  const until = async (there: () => Promise<boolean>) => {
    for (let tries = 0; tries < 60 && !(await there()); tries++) await generate();
    assert.ok(await there());
  };
  await until(async () => (await metric('molora_sign_agreement{name="math+twin"')).some((value) => value === 1));
  const layers = await metric('molora_sign_agreement_layer{name="math+twin"');
  assert.deepEqual(layers, Array(8).fill(1));
  assert.deepEqual((await generate()).agreement, Array(8).fill(1));
  assert.equal(lines.length, 0);

  await loadTwin(math, -1);
  await until(async () => lines.length > 0);
  const [line] = lines;
  assert.deepEqual([line.level, line.stack, line.before, line.now], ["warn", "math+twin", 1, 0]);
  assert.match(String(line.msg), /agree less in sign/);
  assert.match(JSON.stringify(line.new), /adapter twin [0-9a-f]{12}/);
  assert.deepEqual(await metric("molora_sign_agreement_alerts_total"), [1]);
  const { alerts, agreement } = await client.stats();
  assert.deepEqual(
    alerts!.map(({ name, before: was, now }) => [name, was, now]),
    [["math+twin", 1, 0]],
  );
  assert.equal(agreement!.find(({ name }) => name === "math+twin")!.agreement, 0);
});
