// Weights pushed over WebSocket: what a trainer sends in frames serves as what lies in a folder does, and nothing of a push that
// is wrong is ever loaded.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, test } from "node:test";
import { Engine } from "../../../node/index.ts";
import { MoloraClient, type PushedFiles } from "../../../proto/client.ts";
import { serve } from "../../../server/http/serve.ts";
import { raises } from "../../raises.ts";
import { RawConnection, until } from "../connections.ts";

const FOLDER = "models/nano/adapters";
const engine = await Engine.load({ model: "models/nano", adapters: { math: `${FOLDER}/math`, sql: `${FOLDER}/sql` } });
const server = await serve(engine, { token: "t0ken", maxUploadBytes: 4 * 2 ** 20, limits: { stallMs: 500 } });
after(async () => {
  await server.close();
  await engine.close();
});

const filesOf = (folder: string, names: string[]) =>
  Object.fromEntries(names.map((name) => [name, new Uint8Array(readFileSync(`${folder}/${name}`))]));
const ADAPTER = ["adapter_config.json", "adapter_model.safetensors"];
const MATH = filesOf(`${FOLDER}/math`, ADAPTER);
const SQL = filesOf(`${FOLDER}/sql`, ADAPTER);
const connect = (encoding: "proto" | "msgpack" | "json" = "proto") =>
  MoloraClient.connect(server.url, { encoding, token: "t0ken" });

async function said(client: MoloraClient, adapter: string): Promise<string> {
  let text = "";
  for await (const event of client.generate({ prompt: "List users.", maxTokens: 16, ignoreEos: true, adapter })) {
    text += event.text;
  }
  return text;
}

for (const encoding of ["proto", "msgpack", "json"] as const) {
  test(`${encoding}: an adapter in frames is the adapter of the folder; streams beside it go on`, async (t) => {
    const client = await connect(encoding);
    t.after(() => client.close());
    const expected = [await said(client, "math"), await said(client, "sql")];
    const progress: number[] = [];
    const beside = said(client, "sql");
    const report = await client.push("fresh", new Map(Object.entries(MATH)), {
      onProgress: (done) => progress.push(done),
    });
    assert.equal(await beside, expected[1]);
    assert.equal(report.hash, engine.listAdapters().find(({ name }) => name === "math")?.hash);
    assert.ok(progress.length >= 2 && progress[0] === 0);
    assert.equal(progress.at(-1), MATH[ADAPTER[0]].length + MATH[ADAPTER[1]].length);
    assert.equal(await said(client, "fresh"), expected[0]);
    const swapped = await client.push("fresh", SQL, { expectedGeneration: report.hash, pinned: true });
    assert.equal(await said(client, "fresh"), expected[1]);
    assert.ok(engine.listNames().find(({ name }) => name === "fresh")?.pinned);
    await raises("generation_mismatch", /fresh/, () => client.push("fresh", MATH, { expectedGeneration: report.hash }));
    await raises("generation_mismatch", /fresh/, () => client.push("fresh", MATH, { expectedGeneration: null }));
    assert.equal(engine.listAdapters().find(({ name }) => name === "fresh")?.hash, swapped.hash);
    await client.unloadAdapter("fresh");
  });
}

test("a mixture over adapters that are loaded is the mixture of the folder", async (t) => {
  const client = await connect();
  t.after(() => client.close());
  for (const name of ["medical", "code"]) await engine.loadAdapter(name, `${FOLDER}/${name}`);
  const folder = "models/nano/mixtures/default";
  const report = await client.push("routed", filesOf(folder, ["mixture.json", "router.safetensors"]));
  const expected = await engine.loadMixture("default", folder);
  assert.equal(report.hash, expected.hash);
  const answers = await Promise.all(
    ["routed", "default"].map(async (mixture) => {
      let text = "";
      for await (const event of client.generate({ prompt: "Add 2 and 3.", maxTokens: 12, mixture })) text += event.text;
      return text;
    }),
  );
  assert.equal(answers[0], answers[1]);
});

test("what is wrong with a push ends it by name, and nothing is loaded", async (t) => {
  const client = await connect();
  t.after(() => client.close());
  const refuses = (code: Parameters<typeof raises>[0], pattern: RegExp, files: PushedFiles) =>
    raises(code, pattern, () => client.push("wrong", files));
  await refuses("bad_request", /no file of an adapter/, { "../x": new Uint8Array(1) });
  await refuses("bad_request", /no bytes/, {});
  await refuses("frame_too_large", /larger than 4194304 bytes/, { "adapter_model.safetensors": new Uint8Array(5e6) });
  await refuses("config_invalid", /./, { ...MATH, "adapter_config.json": new TextEncoder().encode("{") });
  const cut = { ...MATH, [ADAPTER[1]]: MATH[ADAPTER[1]].slice(0, 5000) };
  await refuses("file_truncated", /adapter_model/, cut);
  const nobody = await MoloraClient.connect(server.url);
  t.after(() => nobody.close());
  await raises("not_permitted", /push/, () => nobody.push("wrong", MATH));
  assert.ok(!engine.listNames().some(({ name }) => name === "wrong"));
});

test("frames out of their order, another checksum, a second push, one that stops, one that is cancelled", async (t) => {
  const raw = await RawConnection.open(server.url, { headers: { authorization: "Bearer t0ken" } }, ["molora.v1.json"]);
  t.after(() => raw.socket.terminate());
  const file = (sha256: string) => ({ name: "adapter_config.json", bytes: 8, sha256 });
  const push = (id: string) => raw.say({ type: "push", id, name: "wrong", files: [file("0".repeat(64))] });
  const data = (id: string, offset: number, text: string) =>
    raw.say({ type: "push_data", id, offset, data: Buffer.from(text).toString("base64") });
  push("a");
  await raw.hear({ type: "received", id: "a", bytes: 0 });
  push("b");
  assert.equal((await raw.hear({ type: "error", id: "b" })).code, "queue_full");
  data("a", 4, "xxxx");
  assert.match(String((await raw.hear({ type: "error", id: "a" })).message), /do not follow the 0 of 8/);
  data("a", 0, "xxxx");
  await until(() => raw.heard.filter(({ id, code }) => id === "a" && code === "unknown_request").length === 1, "word");
  push("c");
  data("c", 0, "xxxx");
  data("c", 4, "xxxx");
  const wrong = await raw.hear({ type: "error", id: "c" });
  assert.equal(wrong.code, "checksum_mismatch");
  assert.equal((wrong.details as { file: string }).file, "adapter_config.json");
  push("d");
  data("d", 0, "xx");
  assert.match(
    String((await raw.hear({ type: "error", id: "d" })).message),
    /nothing of the push came for 0.5 s, 2 of 8/,
  );
  push("e");
  data("e", 0, "xx");
  raw.say({ type: "cancel", id: "e" });
  assert.equal((await raw.hear({ type: "error", id: "e" })).code, "cancelled");
  push("f");
  raw.say({ type: "push_data", id: "f", offset: 0, data: "*" });
  assert.match(String((await raw.hear({ type: "error", code: "bad_request" })).message), /./);
  assert.ok(!engine.listNames().some(({ name }) => name === "wrong"));
});

test("an aborted push leaves nothing, and the connection goes on", async (t) => {
  const client = await connect();
  t.after(() => client.close());
  const abort = new AbortController();
  const pushing = client.push("never", MATH, { signal: abort.signal, onProgress: () => abort.abort() });
  await raises("cancelled", /cancelled/, () => pushing);
  assert.ok(!engine.listNames().some(({ name }) => name === "never"));
  assert.ok((await client.push("later", MATH)).hash.length > 0);
});
