// What is read from files people bring, each as a whole small file and a way to open it: fuzz.slow.test.ts damages them.

import { readdirSync, readFileSync } from "node:fs";
import { readRecipe } from "../../../composition/recipe/recipe.ts";
import { Template } from "../../../engine/text/jinja/template.ts";
import { utf8 } from "../../../engine/text/token_bytes.ts";
import { loadTokenizer } from "../../../engine/text/tokenizer.ts";
import type { ModelConfig } from "../../../files/families/config.ts";
import { loadAdapter } from "../../../files/lora/load.ts";
import { writePeftAdapter } from "../../../files/lora/peft_write.ts";
import { parseHfConfig } from "../../../files/model_files/hf_config.ts";
import { openHeaders } from "../../../files/model_files/model_files.ts";
import { MemorySource } from "../../../files/source.ts";
import { readGguf } from "../../../files/weights/gguf/gguf.ts";
import { writeGguf } from "../../../files/weights/gguf/gguf_write.ts";
import { readSafetensors } from "../../../files/weights/safetensors/safetensors.ts";
import { rowCount, type TensorSource } from "../../../files/weights/tensor.ts";
import { readMixture } from "../../../router/format.ts";
import { ggufKind } from "../../engine/text/kinds.ts";
import { wholeFiles } from "../../engine/text/malformed.ts";
import { loraModule, SMALL } from "../lora/synthetic.ts";
import { MemoryFolder } from "../weights/build_files.ts";
import { type Draw, damaged, damagedJson } from "./damage.ts";

export interface Loader {
  /** What it is a file of, and a colon and which of several. */
  name: string;
  /** One damaged input: its bytes in all, and what opens it and reads all of it. */
  input(draw: Draw): { bytes: number; open(): Promise<unknown> };
}

const read = (path: string) => new Uint8Array(readFileSync(path));
const json = (path: string) => JSON.parse(readFileSync(path, "utf8"));

type Files = Record<string, Uint8Array | string>;

function bytesOf(files: Files): number {
  return Object.values(files).reduce((sum, file) => sum + file.length, 0);
}

/** Rows of every tensor, the first and the last. */
async function readAll({ tensors }: TensorSource): Promise<void> {
  for (const tensor of tensors.values()) {
    const rows = rowCount(tensor.shape);
    if (rows === 0) continue;
    await tensor.readRows(0, 1);
    await tensor.readRows(rows - 1, rows);
  }
}

/** A folder of which one file at a time is damaged; JSON as JSON. */
function folder(name: string, files: Files, open: (folder: MemoryFolder) => Promise<unknown>): Loader {
  const names = Object.keys(files);
  return {
    name,
    input(draw) {
      const chosen = draw.of(names);
      const whole = files[chosen]!;
      const broken = typeof whole === "string" ? damagedJson(JSON.parse(whole), draw) : damaged(whole, draw);
      const damagedFiles = { ...files, [chosen]: broken };
      return { bytes: bytesOf(damagedFiles), open: () => open(new MemoryFolder(damagedFiles)) };
    },
  };
}

function file(name: string, whole: Uint8Array, open: (source: MemorySource) => Promise<unknown>): Loader {
  return {
    name,
    input(draw) {
      const bytes = damaged(whole, draw);
      return { bytes: bytes.length, open: () => open(new MemorySource("damaged.gguf", bytes)) };
    },
  };
}

function asJson(name: string, whole: unknown, open: (value: unknown) => unknown): Loader {
  return {
    name,
    input(draw) {
      const text = damagedJson(whole, draw);
      return {
        bytes: text.length,
        open: async () => {
          let value: unknown;
          try {
            value = JSON.parse(text);
          } catch {
            return;
          }
          open(value);
        },
      };
    },
  };
}

function packedModels(): Loader[] {
  return readdirSync("test/fixtures/packed").map((model) => {
    const path = `test/fixtures/packed/${model}`;
    const files = {
      "config.json": readFileSync(`${path}/config.json`, "utf8"),
      "model.safetensors": read(`${path}/model.safetensors`),
      "tokenizer.json": readFileSync(`${path}/tokenizer.json`, "utf8"),
    };
    const some = { "config.json": files["config.json"], "model.safetensors": files["model.safetensors"] };
    return {
      ...folder(`packed safetensors: ${model}`, some, async () => {}),
      input: (draw: Draw) => {
        const chosen = draw.next() < 0.5 ? "config.json" : "model.safetensors";
        const broken =
          chosen === "config.json"
            ? damagedJson(JSON.parse(files[chosen]), draw)
            : damaged(files[chosen], draw, 8 + headerOf(files[chosen]));
        const all = { ...files, [chosen]: broken };
        return {
          bytes: bytesOf(all),
          open: async () => readAll((await openHeaders(new MemoryFolder(all))).tensors),
        };
      },
    };
  });
}

function headerOf(safetensors: Uint8Array): number {
  return new DataView(safetensors.buffer, safetensors.byteOffset).getUint32(0, true);
}

const GGUFS = ["qwen3", "olmoe", "phi3-long-beyond", "gemma3"];

function ggufAdapter(): Uint8Array {
  const halves = (rows: number, columns: number) => ({
    type: "f32" as const,
    shape: [rows, columns],
    bytes: new Uint8Array(new Float32Array(rows * columns).fill(0.5).buffer),
  });
  return writeGguf(
    new Map([
      ["general.type", { type: "string", value: "adapter" }],
      ["general.architecture", { type: "string", value: "llama" }],
      ["adapter.type", { type: "string", value: "lora" }],
      ["adapter.lora.alpha", { type: "f32", value: 4 }],
    ]),
    [
      { name: "blk.1.attn_q.weight.lora_a", ...halves(2, SMALL.hiddenSize) },
      { name: "blk.1.attn_q.weight.lora_b", ...halves(SMALL.numHeads * SMALL.headDim, 2) },
    ],
  );
}

const PEFT = writePeftAdapter({ layers: [{ q_proj: loraModule("q_proj", 2, 2) }, {}] }, SMALL);
const TINY: ModelConfig = parseHfConfig(json("test/fixtures/tiny/base/config.json"));

function ggufTokenizer(kind: string, pre: string | undefined): Loader {
  const whole = writeGguf(ggufKind(kind, pre), []);
  return file(`GGUF tokenizer: ${kind}`, whole, async (source) => {
    const { metadata } = await readGguf(source);
    loadTokenizer({ kind: "gguf", metadata });
  });
}

const { tokenizer, tokenizerConfig, chatTemplate } = wholeFiles();
const TEMPLATE = new Uint8Array(readFileSync("test/fixtures/text/templates/qwen3.jinja"));
const CONFIGS: { config: unknown }[] = json("test/fixtures/families/configs.json");

/** Single bytes, and pairs of letters that merge into words. */
const TEKKEN = {
  config: {
    pattern: "[^\\s]+|\\s+",
    num_vocab_tokens: 260,
    default_vocab_size: 264,
    default_num_special_tokens: 4,
    version: "v7",
  },
  vocab: [...Array.from({ length: 256 }, (_, byte) => [byte]), ...["th", "the", "on", "once"].map(utf8)].map(
    (bytes, rank) => ({ rank, token_bytes: Buffer.from(bytes).toString("base64"), token_str: null }),
  ),
  special_tokens: ["<unk>", "<s>", "</s>", "[INST]"].map((token_str, rank) => ({ rank, token_str, is_control: true })),
};

const RECIPE = {
  format: "molora-recipe/1",
  parts: [
    { name: "domain", merge: { method: "ties_svd", density: 0.5, rank: 8, adapters: [{ name: "a", adapter: "a" }] } },
    { name: "style", adapter: "b", weight: 0.5, sha256: "0".repeat(64) },
    { name: "user", mixture: "c" },
  ],
};

export const LOADERS: readonly Loader[] = [
  file("safetensors", read("test/fixtures/tiny/llama3-f16/model.safetensors"), async (source) =>
    readAll(await readSafetensors(source, { otherTypes: "list" })),
  ),
  ...packedModels(),
  ...GGUFS.map((name) =>
    file(`GGUF model: ${name}`, read(`test/fixtures/families/gguf/${name}.gguf`), async (source) =>
      readAll((await openHeaders(source)).tensors),
    ),
  ),
  file("GGUF adapter", ggufAdapter(), (source) => loadAdapter("fuzzed", source, SMALL)),
  ggufTokenizer("smollm", "smollm"),
  ggufTokenizer("llama2", undefined),
  ggufTokenizer("t5", undefined),
  folder(
    "PEFT adapter",
    { "adapter_config.json": PEFT.config, "adapter_model.safetensors": PEFT.safetensors },
    (from) => loadAdapter("fuzzed", from, SMALL),
  ),
  asJson("tokenizer.json", { tokenizer, tokenizerConfig }, (value) => {
    const files = value as { tokenizer: Record<string, unknown>; tokenizerConfig: Record<string, unknown> };
    loadTokenizer({
      kind: "hf",
      tokenizer: files?.tokenizer ?? {},
      tokenizerConfig: files?.tokenizerConfig,
      chatTemplate,
    });
  }),
  asJson("tekken.json", TEKKEN, (tekken) =>
    loadTokenizer({ kind: "tekken", tekken: (tekken ?? {}) as Record<string, unknown>, chatTemplate: undefined }),
  ),
  folder("recipe", { "recipe.json": JSON.stringify(RECIPE) }, async (from) =>
    readRecipe((await from.open("recipe.json"))!),
  ),
  ...CONFIGS.map(({ config }, i) => asJson(`config.json: ${i}`, config, (value) => parseHfConfig(value))),
  folder(
    "mixture",
    {
      "mixture.json": readFileSync("test/fixtures/tiny/mixtures/belief-top1/mixture.json", "utf8"),
      "router.safetensors": read("test/fixtures/tiny/mixtures/belief-top1/router.safetensors"),
    },
    (from) => readMixture("fuzzed", from, TINY),
  ),
  {
    name: "chat template",
    input(draw) {
      const source = Buffer.from(damaged(TEMPLATE, draw)).toString();
      const messages = [{ role: "user", content: "x" }];
      return { bytes: source.length, open: async () => new Template(source).render({ messages, tools: null }) };
    },
  },
];
