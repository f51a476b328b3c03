// vLLM's names: what a scheduler of Kubernetes or llm-d reads, while requests run and after them.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { RawConnection, until } from "../connections.ts";
import { closeEngine, nano, post, serveNano } from "../http/http_server.ts";

after(closeEngine);

async function scrape(baseUrl: string): Promise<Map<string, number>> {
  const text = await (await fetch(baseUrl.replace("/v1", "/metrics"))).text();
  const samples = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    samples.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
}

const LABELS = 'model_name="nano",engine="0"';

test("adapters of running requests are named as clients name models, with the time; then none", async (t) => {
  const server = await serveNano(t);
  const connection = await RawConnection.open(server.url);
  connection.say({ type: "generate", id: "a", prompt: "Go", adapter: "sql", ignoreEos: true, maxTokens: 900 });
  connection.say({ type: "generate", id: "b", prompt: "Go", mixture: "default", ignoreEos: true, maxTokens: 900 });
  connection.say({ type: "generate", id: "c", prompt: "Go", ignoreEos: true, maxTokens: 900 });
  for (const id of ["a", "b", "c"]) await connection.hear({ type: "token", id });
  const now = await scrape(server.baseUrl);
  const sequences = (await nano()).capacity.sequences;
  const running = `vllm:lora_requests_info{max_lora="${sequences}",running_lora_adapters="nano:sql,nano:default",waiting_lora_adapters=""}`;
  const age =
    Date.now() / 1000 - (now.get(running) ?? assert.fail([...now.keys()].filter((k) => /lora_r/.test(k)).join()));
  assert.ok(Math.abs(age) < 60);
  assert.equal(now.get(`vllm:num_requests_running{${LABELS}}`), 3);
  const usage = now.get(`vllm:kv_cache_usage_perc{${LABELS}}`)!;
  assert.ok(usage > 0 && usage < 1);
  for (const id of ["a", "b", "c"]) connection.say({ type: "cancel", id });
  await until(() => server.running === 0, "for them to end");
  const then = await scrape(server.baseUrl);
  assert.ok(
    then.has(`vllm:lora_requests_info{max_lora="${sequences}",running_lora_adapters="",waiting_lora_adapters=""}`),
  );
  assert.ok(then.get(`vllm:kv_cache_usage_perc{${LABELS}}`)! < usage, "adapters nobody uses count as free");
  assert.equal(then.get(`vllm:request_success_total{${LABELS},finished_reason="abort"}`), 3);
});

test("requests in the queue, with the adapters that only they name", async (t) => {
  const server = await serveNano(t);
  const { sequences } = (await nano()).capacity;
  const connection = await RawConnection.open(server.url);
  for (let i = 0; i < sequences; i++) {
    connection.say({ type: "generate", id: `r${i}`, prompt: "Go", ignoreEos: true, maxTokens: 900 });
  }
  await connection.hear({ type: "token", id: `r${sequences - 1}` });
  connection.say({ type: "generate", id: "w", prompt: "Go", adapter: "math", maxTokens: 2 });
  await connection.hear({ type: "accepted", id: "w" });
  const samples = await scrape(server.baseUrl);
  assert.equal(samples.get(`vllm:num_requests_waiting{${LABELS}}`), 1);
  assert.ok(
    [...samples.keys()].some((key) => key.includes('running_lora_adapters="",waiting_lora_adapters="nano:math"')),
  );
});

test("blocks and histograms", async (t) => {
  const server = await serveNano(t);
  await post(`${server.baseUrl}/completions`, { model: "nano", prompt: "Go", max_tokens: 5, ignore_eos: true });
  const samples = await scrape(server.baseUrl);
  const { blocks, blockTokens } = (await nano()).capacity;
  assert.equal(blockTokens, 16);
  assert.equal(samples.get(`vllm:cache_config_info{block_size="16",num_gpu_blocks="${blocks}",engine="0"}`), 1);
  const count = (name: string) => samples.get(`vllm:${name}_count{${LABELS}}`);
  assert.equal(count("time_to_first_token_seconds"), 1);
  assert.equal(count("inter_token_latency_seconds"), 4);
  assert.equal(count("e2e_request_latency_seconds"), 1);
  assert.equal(count("request_queue_time_seconds"), 1);
  assert.equal(samples.get(`vllm:request_generation_tokens_sum{${LABELS}}`), 5);
});
