// Makes models/nano's weight file: a Hugging Face folder in, one GGUF out, matrices in Q8_0 and norms in F32.
// Adapters are kept as they were. Run it after `npm run build`:
//   node setup/convert_nano.mjs PATH_OF_HF_FOLDER models/nano/nano.Q8_0.gguf
import { writeFile } from "node:fs/promises";
import { openModelFiles } from "../dist/engine/weights/model_files.js";
import { ggufName } from "../dist/files/families/gguf_names.js";
import { expectedTensors, wantTensor } from "../dist/files/model_files/expected.js";
import { writeGguf } from "../dist/files/weights/gguf/gguf_write.js";
import { interleavedRow } from "../dist/files/weights/gguf/rope_rows.js";
import { dequantizeRows } from "../dist/files/weights/stored/dequantize.js";
import { quantizeQ8_0 } from "../dist/files/weights/stored/quantize.js";
import { rowCount } from "../dist/files/weights/tensor.js";
import { openPath } from "../dist/node/files.js";

const [from, to] = process.argv.slice(2);
if (!from || !to) {
  console.error("usage: node setup/convert_nano.mjs PATH_OF_HF_FOLDER FILE.gguf");
  process.exit(2);
}
const { config, tensors, tokenizerFiles } = await openModelFiles(await openPath(from));
const converted = [];
for (const { name, shape } of expectedTensors(config)) converted.push(await convert(name, shape));
await writeFile(to, writeGguf(new Map([...modelFacts(), ...tokenizerFacts(tokenizerFiles)]), converted));

/** One tensor as the file has it: llama.cpp's name, its row order for q and k, Q8_0 for matrices. */
async function convert(name, shape) {
  const stored = wantTensor(tensors, name);
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  dequantizeRows(stored.type, await stored.readRows(0, rowCount(shape)), values);
  const rows = /\.[qk]_proj\./.test(name) ? interleave(values, shape) : values;
  const matrix = shape.length > 1;
  return {
    name: ggufName(name),
    shape,
    type: matrix ? "q8_0" : "f32",
    bytes: matrix ? quantizeQ8_0(rows) : new Uint8Array(rows.buffer),
  };
}

function interleave(values, [rows, width]) {
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    out.set(values.subarray(row * width, (row + 1) * width), interleavedRow(row, config.headDim) * width);
  }
  return out;
}

function modelFacts() {
  return [
    ["general.architecture", string("llama")],
    ["general.name", string("molora nano")],
    ["general.file_type", u32(7)],
    ["llama.vocab_size", u32(config.vocabSize)],
    ["llama.context_length", u32(config.contextLength)],
    ["llama.embedding_length", u32(config.hiddenSize)],
    ["llama.block_count", u32(config.numLayers)],
    ["llama.feed_forward_length", u32(config.intermediateSize)],
    ["llama.attention.head_count", u32(config.numHeads)],
    ["llama.attention.head_count_kv", u32(config.numKvHeads)],
    ["llama.attention.key_length", u32(config.headDim)],
    ["llama.attention.value_length", u32(config.headDim)],
    ["llama.attention.layer_norm_rms_epsilon", f32(config.normEps)],
    ["llama.rope.dimension_count", u32(config.headDim)],
    ["llama.rope.freq_base", f32(config.ropeTheta)],
  ];
}

/** The byte-level BPE of tokenizer.json; nano splits text as SmolLM does (single digits, then GPT-2's pattern). */
function tokenizerFacts({ tokenizer, chatTemplate }) {
  const tokens = Object.entries(tokenizer.model.vocab).sort((a, b) => a[1] - b[1]);
  const special = new Set(tokenizer.added_tokens.map((token) => token.id));
  const [normal, control] = [1, 3];
  const types = tokens.map(([, id]) => (special.has(id) ? control : normal));
  return [
    ["tokenizer.ggml.model", string("gpt2")],
    ["tokenizer.ggml.pre", string("smollm")],
    ["tokenizer.ggml.tokens", { type: "array", of: "string", value: tokens.map(([token]) => token) }],
    ["tokenizer.ggml.token_type", { type: "array", of: "i32", value: types }],
    ["tokenizer.ggml.merges", { type: "array", of: "string", value: tokenizer.model.merges.map((m) => m.join(" ")) }],
    ["tokenizer.ggml.bos_token_id", u32(config.bosId)],
    ["tokenizer.ggml.eos_token_id", u32(config.eosIds[0])],
    ["tokenizer.ggml.padding_token_id", u32(config.eosIds[0])],
    ["tokenizer.ggml.add_bos_token", { type: "bool", value: false }],
    ["tokenizer.chat_template", string(chatTemplate)],
  ];
}

function u32(value) {
  return { type: "u32", value };
}

function f32(value) {
  return { type: "f32", value };
}

function string(value) {
  return { type: "string", value };
}
