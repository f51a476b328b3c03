// Changes of embedding and output head as PEFT's files state them, and what of them is refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import { loadAdapter } from "../../../files/lora/load.ts";
import { type WrittenTensor, writeSafetensors } from "../../../files/weights/safetensors/safetensors_write.ts";
import { raises } from "../../raises.ts";
import { MemoryFolder, SMALL, values } from "./synthetic.ts";

const Q = "base_model.model.model.layers.0.self_attn.q_proj";
const EMBEDDING = "base_model.model.model.embed_tokens";
const HEAD = "base_model.model.lm_head";

function tensor(name: string, ...shape: number[]): WrittenTensor {
  return {
    name,
    shape,
    data: values(
      shape.reduce((product, size) => product * size, 1),
      name.length,
    ),
  };
}

function load(tensors: WrittenTensor[], fields: Record<string, unknown> = {}, base = SMALL) {
  const config = { peft_type: "LORA", r: 2, lora_alpha: 4, target_modules: ["0.self_attn.q_proj"], ...fields };
  const all = [tensor(`${Q}.lora_A.weight`, 2, 8), tensor(`${Q}.lora_B.weight`, 12, 2), ...tensors];
  const files = { "adapter_config.json": JSON.stringify(config), "adapter_model.safetensors": writeSafetensors(all) };
  return loadAdapter("a", new MemoryFolder(files), base);
}

function loadAlone(tensors: WrittenTensor[], targets: string[]) {
  const config = { peft_type: "LORA", r: 2, lora_alpha: 4, target_modules: targets };
  const weights = writeSafetensors(tensors);
  const files = { "adapter_config.json": JSON.stringify(config), "adapter_model.safetensors": weights };
  return loadAdapter("a", new MemoryFolder(files), SMALL);
}

const both = { target_modules: ["0.self_attn.q_proj", "embed_tokens", "lm_head"] };
const pairs = [
  tensor(`${EMBEDDING}.lora_embedding_A`, 2, 50),
  tensor(`${EMBEDDING}.lora_embedding_B`, 8, 2),
  tensor(`${HEAD}.lora_A.weight`, 2, 8),
  tensor(`${HEAD}.lora_B.weight`, 50, 2),
];
const rows = tensor(`${EMBEDDING}.token_adapter.trainable_tokens_delta`, 2, 8);

test("pairs of both tables come the way the head's lie: a row of B a token", async () => {
  const { vocabulary, layers } = await load(pairs, both);
  assert.deepEqual(Object.keys(layers[0]), ["q_proj"]);
  const { embedding, head } = vocabulary!;
  assert.deepEqual(head?.pair, { rank: 2, scale: 2, a: pairs[2].data, b: pairs[3].data });
  assert.equal(embedding?.pair?.b[3 * 2 + 1], pairs[0].data[50 + 3]);
  assert.equal(embedding?.pair?.a[8 + 5], pairs[1].data[5 * 2 + 1]);
});

test("trained rows go by their ids, to a tied head too; so does a table that is the base's own", async () => {
  const { vocabulary } = await load([rows], { trainable_token_indices: [7, 41] });
  assert.deepEqual(vocabulary?.embedding?.rows?.get(41), rows.data.slice(8));
  assert.deepEqual(vocabulary?.head, vocabulary?.embedding);
  const untied = await load(
    [rows],
    { trainable_token_indices: { embed_tokens: [7, 41] } },
    { ...SMALL, tieEmbeddings: false },
  );
  assert.equal(untied.vocabulary?.head, undefined);
  const own = tensor(`${EMBEDDING}.weight`, 50, 8);
  assert.equal((await load([own])).vocabulary?.head?.table?.name, own.name);
  assert.equal((await load([own], { modules_to_save: ["embed_tokens"] })).vocabulary?.head, undefined);
});

const table = (name: string, rows: number) => tensor(`${name}.weight`, rows, 8);

test("a vocabulary of another size: both tables in the file, whichever way PEFT saves them", async () => {
  const untied = { ...SMALL, tieEmbeddings: false };
  for (const size of [44, 52]) {
    const { vocabulary, report } = await load([table(EMBEDDING, size), table(HEAD, size)], {}, untied);
    assert.equal(vocabulary?.size, size);
    assert.deepEqual(vocabulary?.embedding?.table?.shape, [size, 8]);
    assert.deepEqual(report.vocabulary, { tokens: size, tokenizer: "base" });
  }
  const copies = [EMBEDDING, HEAD].flatMap((name) =>
    ["", ".modules_to_save", ".original_module"].map((part) => table(name + part, 52)),
  );
  const saved = await load(copies, { modules_to_save: ["embed_tokens", "lm_head"] }, untied);
  assert.notEqual(saved.vocabulary?.head?.table?.name, `${HEAD}.original_module.weight`);
  const wider = [
    tensor(`${EMBEDDING}.lora_embedding_A`, 2, 52),
    pairs[1],
    pairs[2],
    tensor(`${HEAD}.lora_B.weight`, 52, 2),
  ];
  const bases = [table(`${EMBEDDING}.base_layer`, 52), table(`${HEAD}.base_layer`, 52)];
  const targeted = await load([...wider, ...bases], both, untied);
  assert.equal(targeted.vocabulary?.embedding?.pair?.b.length, 2 * 52);
  assert.equal(targeted.vocabulary?.size, 52);
  // Rows behind the base's last need no table where all of them were trained.
  const trained = await load([tensor(`${EMBEDDING}.token_adapter.trainable_tokens_delta`, 3, 8)], {
    trainable_token_indices: [7, 50, 51],
  });
  assert.equal(trained.vocabulary?.size, 52);
});

test("an adapter of a table alone extends no module, and need not", async () => {
  const { vocabulary, layers, report } = await loadAlone(pairs.slice(2), ["lm_head"]);
  assert.ok(layers.every((layer) => Object.keys(layer).length === 0));
  assert.equal(vocabulary?.head?.pair?.rank, 2);
  assert.deepEqual(report.ranks, []);
  await raises("adapter_mismatch", /target_modules name no module/, () => loadAlone([], ["c_attn"]));
});

test("where the base ties its tables, one that was resized is both", async () => {
  for (const name of [EMBEDDING, HEAD]) {
    const { vocabulary } = await load([table(name, 52)]);
    assert.equal(vocabulary?.embedding?.table?.name, `${name}.weight`);
    assert.equal(vocabulary?.head?.table?.name, `${name}.weight`);
  }
  const copy = [table(`${EMBEDDING}.modules_to_save`, 52), table(`${EMBEDDING}.original_module`, 52)];
  const { vocabulary } = await load(copy, { modules_to_save: ["embed_tokens"] });
  assert.equal(vocabulary?.head?.table?.name, `${EMBEDDING}.original_module.weight`);
  const beside = [rows, tensor(`${HEAD}.token_adapter.trainable_tokens_delta`, 2, 8), table(HEAD, 52)];
  const tied = await load(beside, { trainable_token_indices: [7, 41] });
  assert.equal(tied.vocabulary?.head?.rows, tied.vocabulary?.embedding?.rows);
  assert.equal(tied.vocabulary?.head?.table?.shape[0], 52);
});

test("a vocabulary of another size whose rows were not saved is refused by name, with a way out", async () => {
  const untied = { ...SMALL, tieEmbeddings: false };
  const grown: [WrittenTensor[], object, RegExp][] = [
    [[table(EMBEDDING, 52)], {}, /an embedding of 52 tokens and an output head of 50/],
    [[table(`${HEAD}.modules_to_save`, 64)], { modules_to_save: ["lm_head"] }, /of 50 tokens and an output head of 64/],
    [
      [tensor(`${EMBEDDING}.lora_embedding_A`, 2, 52), pairs[1], pairs[2], pairs[3]],
      both,
      /rows of the others are not/,
    ],
    [[pairs[0], pairs[1], pairs[2], tensor(`${HEAD}.lora_B.weight`, 52, 2)], both, /rows of the others are not/],
    [[rows], { trainable_token_indices: { embed_tokens: [7, 51] } }, /rows of the others are not/],
  ];
  for (const [tensors, fields, message] of grown) {
    await raises("adapter_unsupported", message, () => load(tensors, { ...fields }, untied));
  }
});

test("tables, configuration and base must agree", async () => {
  await raises("adapter_mismatch", /lm_head \(no weight\)/, () => load([], { modules_to_save: ["lm_head"] }));
  await raises("adapter_mismatch", /embed_tokens \(no lora_A\)/, () => load(pairs.slice(2), both));
  await raises("adapter_mismatch", /lm_head \(no its other/, () => load(pairs.slice(0, 3), both));
  await raises("adapter_mismatch", /no trainable_token_indices with/, () => load([rows]));
  await raises("adapter_mismatch", /no trainable_token_indices with/, () => load([], { trainable_token_indices: [1] }));
  await raises("adapter_mismatch", /\[2, 8\], expected \[3, 8\]/, () =>
    load([rows], { trainable_token_indices: [1, 2, 3] }),
  );
  await raises("adapter_mismatch", /\[50, 4\], expected \[50, 8\]/, () => load([tensor(`${HEAD}.weight`, 50, 4)]));
  await raises("adapter_unsupported", /modules_to_save: model\.norm/, () =>
    load([], { modules_to_save: ["model.norm"] }),
  );
  await raises("adapter_unsupported", /trained rows of wte/, () => load([], { trainable_token_indices: { wte: [1] } }));
  await raises("adapter_unsupported", /another change of the embedding/, () => load([tensor(`${HEAD}.bias`, 50)]));
  await raises("adapter_unsupported", /another change/, () =>
    load([...pairs, tensor(`${HEAD}.lora_magnitude_vector`, 50)], both),
  );
});
