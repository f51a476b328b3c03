// `molora inspect`: of this machine and of a hub, what loads and what does not.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import type { Inspection } from "../../../cli/inspect/inspection.ts";
import { folderFiles, hubServer } from "../../node/hub/hub_server.ts";
import { json, molora, start } from "../run.ts";

const FAMILIES = "test/fixtures/families/models";

async function inspected(...args: string[]): Promise<Inspection> {
  const ran = await molora(["inspect", ...args, "--json"]);
  assert.equal(ran.code, 0, ran.stderr);
  return json<Inspection>(ran);
}

async function temporary(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "molora-inspect-"));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

test("a base: its family, sizes, types, tokenizer, and the flag that loads it", async () => {
  const found = await inspected("models/nano/nano.Q8_0.gguf");
  assert.deepEqual([found.kind, found.loads, found.use], ["base", true, ["--model models/nano/nano.Q8_0.gguf"]]);
  const { architecture, format, shape, types, tokenizer } = found.base!;
  assert.deepEqual([architecture, format], ["llama", "GGUF"]);
  assert.deepEqual([shape!.layers, shape!.hiddenSize, shape!.vocabulary], [8, 256, 4096]);
  assert.deepEqual(
    types.map(({ type }) => type),
    ["q8_0", "f32"],
  );
  assert.deepEqual([tokenizer!.kind, tokenizer!.tokens, tokenizer!.chatTemplate], ["gpt2", 4096, true]);
  const moe = await inspected(`${FAMILIES}/olmoe`);
  assert.deepEqual([moe.loads, moe.base!.architecture, moe.base!.shape!.experts], [true, "OlmoeForCausalLM", 4]);
});

test("an adapter: what it extends, and whether it fits a base", async () => {
  const path = "models/nano/adapters/math";
  const { adapter, loads } = await inspected(path, "--model", "nano");
  assert.equal(loads, true);
  assert.deepEqual([adapter!.ranks, adapter!.layers, adapter!.hiddenSize, adapter!.modules.length], [[16], 8, 256, 7]);
  const other = await inspected(path, "--model", `${FAMILIES}/qwen3`);
  assert.equal(other.loads, false);
  assert.deepEqual(
    other.problems.map(({ code }) => code),
    ["adapter_mismatch"],
  );
});

test("a mixture: its router, its experts, its base", async () => {
  const { mixture, loads, use } = await inspected("models/nano/mixtures/default", "--model", "nano");
  assert.deepEqual([loads, use], [true, ["--mixture NAME=models/nano/mixtures/default"]]);
  assert.equal(mixture!.router, "mlp");
  assert.deepEqual(
    mixture!.experts.map(({ name }) => name),
    ["base", "math", "sql", "medical", "code"],
  );
});

const NANO = join(process.cwd(), "models/nano");
const nano = (name: string) => ({ name, adapter: `${NANO}/adapters/${name}` });

async function recipe(t: TestContext, parts: object[]): Promise<string> {
  const folder = await temporary(t);
  await writeFile(join(folder, "recipe.json"), JSON.stringify({ format: "molora-recipe/1", parts }));
  return folder;
}

test("a recipe: its parts, what they are made of and how large that is", async (t) => {
  const merge = { method: "svd", adapters: [{ ...nano("math"), weight: 0.5 }, nano("sql")] };
  const folder = await recipe(t, [
    { name: "domain", merge },
    { ...nano("code"), weight: 0.25 },
    { name: "skills", mixture: `${NANO}/mixtures/default` },
  ]);
  const found = await inspected(folder, "--model", "nano");
  assert.deepEqual(
    [found.kind, found.loads, found.use],
    ["recipe", true, [`--recipe NAME=${folder}`]],
    found.problems[0]?.message,
  );
  const { parts } = found.recipe!;
  assert.deepEqual(
    parts.map(({ name, kind, weight, method }) => [name, kind, weight, method]),
    [
      ["domain", "merged", 1, "svd"],
      ["code", "stacked", 0.25, null],
      ["skills", "routed", null, null],
    ],
  );
  assert.deepEqual(
    parts.map(({ of }) => of.map(({ name }) => name)),
    [["math", "sql"], ["code"], ["skills", "math", "sql", "medical", "code"]],
  );
  const size = (name: string) => readFileSync(`${NANO}/adapters/${name}/adapter_model.safetensors`).length;
  assert.ok(parts[0].of[0].bytes! > size("math"), "configuration and weights");
  const file = await molora(["inspect", join(folder, "recipe.json")]);
  assert.match(file.stdout, /domain: merged by svd at 1: 0\.5 math \(.*\) \+ 1 sql \(/);
  assert.match(file.stdout, /note +what is merged is made when it is loaded/);
});

test("what a recipe does not take is told part by part, without a base and on one", async (t) => {
  const fixtures = join(process.cwd(), "test/fixtures");
  const own = { name: "chat", adapter: `${fixtures}/grown/llama-biases/adapters/chat` };
  const experts = { name: "moe", adapter: `${fixtures}/expert_lora/olmoe/adapters/parameters` };
  const wrong = {
    name: "mixed",
    merge: { method: "linear", adapters: [experts, { name: "gone", adapter: "nowhere" }] },
  };
  const without = await inspected(await recipe(t, [own, wrong]));
  assert.deepEqual(
    without.problems.map(({ part, code }) => [part, code]),
    [
      ['part "chat", adapter "chat"', "mixture_invalid"],
      ['part "mixed", adapter "moe"', "mixture_invalid"],
      ['part "mixed", adapter "gone"', "file_not_found"],
    ],
  );
  assert.deepEqual([without.loads, without.use, without.recipe!.parts[1].of[1].bytes], [false, [], null]);

  const many = Array.from({ length: 9 }, (_, i) => ({ ...nano("math"), name: `m${i}`, weight: 0.1 }));
  const on = await inspected(
    await recipe(t, [{ ...many[0], sha256: "0".repeat(64) }, ...many.slice(1)]),
    "--model",
    "nano",
  );
  assert.deepEqual(
    on.problems.map(({ part, code }) => [part, code]),
    [
      [`part "m0" on ${NANO}`, "checksum_mismatch"],
      ["recipe", "mixture_invalid"],
    ],
  );
  const twice = await inspected(await recipe(t, [many[0], many[0]]));
  assert.deepEqual([twice.recipe, twice.problems.length], [null, 1]);
  assert.match(twice.problems[0].message, /two parts named "m0"/);
});

test("what does not load is told part by part, and what can be told is told", async (t) => {
  const folder = await temporary(t);
  const copy = async (name: string, change: (json: Record<string, unknown>) => object) => {
    const parsed = JSON.parse(readFileSync(`${FAMILIES}/qwen3/${name}`, "utf8"));
    await writeFile(join(folder, name), JSON.stringify(change(parsed)));
  };
  await copy("config.json", (config) => ({ ...config, sparse_attention: true }));
  await copy("tokenizer.json", (tokenizer) => ({ ...tokenizer, decoder: { type: "WordPiece" } }));
  await writeFile(join(folder, "model.safetensors"), readFileSync(`${FAMILIES}/qwen3/model.safetensors`));
  const { base, problems, loads, use } = await inspected(folder);
  assert.deepEqual([loads, use], [false, []]);
  assert.deepEqual(
    problems.map(({ part, code }) => [part, code]),
    [
      ["model", "unsupported_architecture"],
      ["tokenizer", "tokenizer_invalid"],
    ],
  );
  assert.match(problems[0].message, /sparse_attention/);
  assert.deepEqual([base!.architecture, base!.shape, base!.types[0].type], ["Qwen3ForCausalLM", null, "bf16"]);
  const nothing = await inspected("package.json");
  assert.deepEqual([nothing.kind, nothing.problems.length], [null, 1]);
  const { stdout } = await molora(["inspect", folder]);
  assert.match(stdout, /does not load, model: error\[unsupported_architecture\]/);
});

test("of a hub's repository headers are fetched, and no weights", async (t) => {
  const gguf = readFileSync("models/nano/nano.Q8_0.gguf");
  const server = await hubServer(t, {
    "user/nano": { files: { "a/nano.gguf": gguf, "two/x.gguf": gguf, "two/y.gguf": gguf } },
    "user/qwen2": { files: folderFiles(`${FAMILIES}/qwen2`) },
  });
  const env = { HF_ENDPOINT: server.url, MOLORA_CACHE: await temporary(t) };
  const ask = async (...args: string[]): Promise<Inspection> => {
    const child = start(["inspect", ...args, "--json"], env);
    child.stdin!.end();
    return JSON.parse(await text(child.stdout!));
  };
  const nano = await ask("hf:user/nano:a");
  assert.equal(nano.base!.parameters, 6_951_168);
  assert.match(nano.use[0], /^--model hf:user\/nano@a{40}:a\/nano\.gguf$/);
  const fetched = server.asked.flatMap((line) => {
    const [, from, to] = /bytes=(\d+)-(\d+)$/.exec(line) ?? [];
    return from === undefined ? [] : [Number(to) - Number(from) + 1];
  });
  assert.ok(fetched.reduce((sum, bytes) => sum + bytes, 0) < gguf.length / 2);
  assert.ok(!server.asked.some((line) => /resolve.*gguf$/.test(line)), "whole files");

  const two = await ask("hf:user/nano:two");
  assert.deepEqual([two.loads, two.use.length], [false, 2]);
  const adapter = await ask("hf:user/qwen2:adapters/r3", "--model", "hf:user/qwen2");
  assert.deepEqual([adapter.kind, adapter.loads, adapter.adapter!.hiddenSize], ["adapter", true, 32]);
  assert.equal((await ask("hf:user/qwen2:mixtures/belief", "--model", "hf:user/qwen2")).loads, true);
});

test("an adapter's own vocabulary and tokenizer, and experts kept together, are told", async () => {
  const facts = async (path: string) => (json(await molora(["inspect", path, "--json"])) as Inspection).adapter!;
  const chat = await facts("test/fixtures/grown/llama-biases/adapters/chat");
  assert.deepEqual([chat.vocabulary, chat.tokenizer, chat.ranks], [323, true, [2]]);
  const tables = await facts("test/fixtures/grown/llama-biases/adapters/tables");
  assert.deepEqual([tables.vocabulary, tables.tokenizer], [328, false]);
  const experts = await facts("test/fixtures/expert_lora/qwen3-moe/adapters/parameters");
  assert.deepEqual([experts.vocabulary, experts.modules, experts.ranks], [null, ["experts", "q_proj"], [3]]);
  const gguf = await facts("test/fixtures/expert_lora/qwen3-moe/gguf/parameters.gguf");
  assert.deepEqual([gguf.format, gguf.modules, gguf.ranks], ["GGUF", ["experts", "attn_q"], [3]]);
  assert.deepEqual([gguf.layers, gguf.hiddenSize, gguf.alpha], [experts.layers, experts.hiddenSize, experts.alpha]);
  const shown = await molora(["inspect", "test/fixtures/grown/llama-biases/adapters/chat"]);
  assert.match(shown.stdout, /tokens +323 of its own, with a tokenizer/);
});
