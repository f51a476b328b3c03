// No answer, by HTTP or by WebSocket, says where on the server's disk anything lies: not when it works, not when it fails.

import assert from "node:assert/strict";
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { Engine } from "../../node/index.ts";
import { MoloraClient } from "../../proto/client.ts";
import { MoloraError } from "../../proto/errors.ts";
import { serve } from "../../server/http/serve.ts";
import { withoutPaths } from "../../server/public_engine.ts";

test("answers, lists, statistics and refusals of a server whose model and adapters lie at absolute paths", async (t) => {
  const root = await mkdtemp(join(tmpdir(), "molora-secret-"));
  t.after(() => rm(root, { recursive: true }));
  const files = join(root, "deep", "models");
  await mkdir(files, { recursive: true });
  await cp("models/nano/nano.Q8_0.gguf", join(files, "base.gguf"));
  const adapters = join(root, "deep", "adapters");
  await cp("models/nano/adapters/sql", join(adapters, "good"), { recursive: true });
  await mkdir(join(adapters, "empty"));
  await cp("models/nano/adapters/sql", join(adapters, "broken"), { recursive: true });
  await writeFile(join(adapters, "broken", "adapter_config.json"), "{");
  await cp("models/nano/adapters/sql", join(adapters, "cut"), { recursive: true });
  await writeFile(join(adapters, "cut", "adapter_model.safetensors"), "short");
  await cp("models/nano/mixtures/default", join(adapters, "mixture"), { recursive: true });
  const engine = await Engine.load({ model: join(files, "base.gguf") });
  t.after(() => engine.close());
  const server = await serve(engine, { admin: true, adapterRoot: adapters, mixtureRoot: adapters });
  t.after(() => server.close());
  const said: string[] = [];
  const ask = async (path: string, body?: object) => {
    const init = body && {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    };
    const response = await fetch(`${server.baseUrl}${path}`, init);
    said.push(`${path}: ${JSON.stringify([...response.headers])} ${await response.text()}`);
    return response.status;
  };
  const chat = { model: "base", messages: [{ role: "user", content: "Hello" }], max_tokens: 2 };
  assert.equal(await ask("/chat/completions", chat), 200);
  assert.equal(await ask("/chat/completions", { ...chat, stream: true }), 200);
  assert.equal(await ask("/completions", { model: "base", prompt: "x", max_tokens: 2 }), 200);
  assert.equal(await ask("/responses", { model: "base", input: "x", max_output_tokens: 2 }), 200);
  assert.equal(await ask("/models"), 200);
  assert.equal(await ask("/../health"), 200);
  assert.equal(await ask("/../metrics"), 200);
  assert.equal(await ask("/load_lora_adapter", { lora_name: "good", lora_path: "good" }), 200);
  for (const lora_path of ["empty", "broken", "cut", "nothing", "../..", "mixture"]) {
    const status = await ask("/load_lora_adapter", { lora_name: "x", lora_path });
    assert.ok(status >= 400 && status < 500, `${lora_path}: ${status}`);
  }
  const client = await MoloraClient.connect(server.url);
  t.after(() => client.close());
  for await (const event of client.generate({ prompt: "Hello", maxTokens: 2 })) said.push(JSON.stringify(event));
  said.push(JSON.stringify(await client.stats()));
  for (const name of ["empty", "broken", "cut", "mixture", "nothing"]) {
    const failed = (thrown: unknown) => {
      assert.ok(thrown instanceof MoloraError);
      said.push(`${name}: ${JSON.stringify(thrown)}`);
      return true;
    };
    await assert.rejects(client.loadAdapter(name), failed);
    await assert.rejects(client.loadMixture(name), failed);
  }
  for (const text of said) {
    for (const secret of [root, "molora-secret", resolve("."), tmpdir()]) assert.ok(!text.includes(secret), text);
  }
  assert.ok(
    said.some((text) => text.includes("adapter_config.json")),
    "files are named still",
  );
});

test("paths go, what only looks like one stays", () => {
  const shown = (message: string) => withoutPaths(new MoloraError("internal", message)).message;
  const stays = [
    "send application/json",
    "there is no GET /v1",
    "see https://example.org/a/b/c",
    "the reference #/$defs/a/b is unknown",
    "models/nano/config.json is missing",
    "half of 1/2/3",
  ];
  for (const message of stays) assert.equal(shown(message), message);
  const goes: [string, string][] = [
    ["ENOENT: no such file or directory, open '/srv/molora/shaders/x.wgsl'", "open 'x.wgsl'"],
    ["EMFILE: too many open files, open /home/me/.cache/a", "open a"],
    ["cannot read C:\\Users\\me\\model.gguf", "cannot read model.gguf"],
    ["Cannot find module file:///usr/lib/node_modules/molora/x.js", "module x.js"],
  ];
  for (const [message, part] of goes) {
    assert.ok(shown(message).endsWith(part), shown(message));
    assert.doesNotMatch(shown(message), /srv|home|Users|usr/);
  }
  const deep = withoutPaths(
    new MoloraError("internal", "x", { remedy: "Look at /etc/molora/x.", details: { files: ["/var/lib/y"], n: 1 } }),
  );
  assert.equal(deep.remedy, "Look at x.");
  assert.deepEqual(deep.details, { files: ["y"], n: 1 });
});
