// An engine whose base, adapter and mixture are named on a hub.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Engine } from "../../../node/index.ts";
import { folderFiles, hubServer } from "./hub_server.ts";

const FOLDER = "test/fixtures/families/models/qwen2";

test("hf:user/repo stands wherever a path does, and gives what the folder gives", async (t) => {
  const server = await hubServer(t, { "user/qwen2": { files: folderFiles(FOLDER) } });
  const cache = mkdtempSync(join(tmpdir(), "molora-hub-"));
  const before = { ...process.env };
  Object.assign(process.env, { HF_ENDPOINT: server.url, MOLORA_CACHE: cache });
  t.after(() => {
    process.env = before;
    rmSync(cache, { recursive: true });
  });
  const seen: string[] = [];
  const load = (place: string, between: string) =>
    Engine.load({
      model: place,
      adapters: { r3: `${place}${between}adapters/r3` },
      mixtures: { belief: `${place}${between}mixtures/belief` },
      device: "cpu",
      onFetch: ({ source, received, total }) => received === total && seen.push(source),
    });
  const engines = [await load(FOLDER, "/"), await load("hf:user/qwen2", ":")];
  for (const use of [{}, { adapter: "r3" }, { mixture: "belief" }]) {
    const ids = [5, 9, 200, 31, 77];
    const [here, there] = await Promise.all(
      engines.map(async (engine) => {
        const found: number[] = [];
        for await (const event of engine.generate({ ids, maxTokens: 8, ignoreEos: true, ...use })) {
          if (event.type === "token") found.push(event.id);
        }
        return found;
      }),
    );
    assert.equal(there.length, 8);
    assert.deepEqual(there, here);
  }
  assert.ok(seen.includes("model.safetensors") && seen.some((source) => source.endsWith("router.safetensors")));
  await assert.rejects(engines[1].loadAdapter("x", "hf:user/qwen2:adapters/none"), { code: "file_not_found" });
  for (const engine of engines) await engine.close();
});
