// What a scrape tells of thousands of adapters: those that are used most by name, the rest in one sum, and nothing is lost.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Metrics } from "../../../server/observe/metrics.ts";
import type { HttpEngine } from "../../../server/port.ts";
import { ScriptedEngine } from "../scripted_engine.ts";

function told(count: number): Promise<string> {
  const adapters = Array.from({ length: count }, (_, i) => ({
    ...{ name: `tenant-${i}`, hash: "00", resident: i < 10 },
    ...{ running: i === 7 ? 2 : 0, tokens: i },
  }));
  const scripted = new ScriptedEngine();
  const engine = Object.assign(scripted, {
    stats: () => ({ ...ScriptedEngine.prototype.stats.call(scripted), adapters }),
  });
  return new Metrics(engine as unknown as HttpEngine).text();
}

test("a scrape is as long with 4,000 names as with 300", async () => {
  const [few, many] = await Promise.all([told(300), told(4000)]);
  const series = (text: string, name: string) => [
    ...text.matchAll(new RegExp(`^${name}\\{adapter="([^"]+)"\\} (\\d+)$`, "gm")),
  ];
  const tokens = series(many, "molora_adapter_tokens");
  assert.equal(tokens.length, 257);
  assert.equal(tokens.length, series(few, "molora_adapter_tokens").length);
  assert.deepEqual(tokens[0].slice(1), ["tenant-3999", "3999"]);
  assert.equal(tokens.at(-1)![1], "(others)");
  assert.equal(
    tokens.reduce((sum, [, , value]) => sum + Number(value), 0),
    (3999 * 4000) / 2,
  );
  const running = series(many, "molora_adapter_requests_running");
  assert.deepEqual([running.length, ...running[0].slice(1)], [256, "tenant-7", "2"]);
  assert.match(many, /^molora_adapters_resident 10$/m);
});
