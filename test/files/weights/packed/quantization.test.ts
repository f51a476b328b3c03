// quantization_config: what is read, what is refused by name, and files that do not fit it.

import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { openModelFiles } from "../../../../files/model_files/model_files.ts";
import { readQuantization } from "../../../../files/weights/packed/quantization.ts";
import { unpackTensors } from "../../../../files/weights/packed/unpack.ts";
import { readShardedSafetensors } from "../../../../files/weights/safetensors/shards.ts";
import { DirectoryFolder } from "../../../../node/files.ts";
import { raises } from "../../../raises.ts";
import { MemoryFolder, safetensorsBytes } from "../build_files.ts";

test("methods are read with their defaults", () => {
  const gptq = { quant_method: "gptq", bits: 4 };
  assert.deepEqual(readQuantization(gptq), { method: "gptq", bits: 4, zeroOffset: 1, kept: [] });
  const second = { ...gptq, bits: 8, checkpoint_format: "gptq_v2", modules_to_not_convert: ["lm_head"] };
  assert.deepEqual(readQuantization(second), { method: "gptq", bits: 8, zeroOffset: 0, kept: ["lm_head"] });
  assert.deepEqual(readQuantization({ quant_method: "awq", bits: 4 }), { method: "awq", bits: 4, kept: [] });
  const nf4 = { quant_method: "bitsandbytes", load_in_4bit: true, bnb_4bit_quant_type: "nf4" };
  assert.deepEqual(readQuantization(nf4), { method: "bitsandbytes", type: "nf4", kept: [] });
});

test("what is not read is refused by name", async () => {
  const gptq = { quant_method: "gptq", bits: 4 };
  const awq = { quant_method: "awq", bits: 4 };
  for (const [config, name] of [
    [{ quant_method: "fp8" }, /quant_method fp8/],
    [{}, /none named/],
    [{ ...gptq, bits: 3 }, /gptq with bits 3/],
    [{ ...gptq, checkpoint_format: "marlin" }, /checkpoint_format marlin/],
    [{ ...gptq, lm_head: true }, /lm_head true/],
    [{ ...awq, version: "gemv" }, /awq with version gemv/],
    [{ ...awq, zero_point: false }, /zero_point false/],
    [{ quant_method: "bitsandbytes", load_in_8bit: true }, /load_in_4bit false/],
    [{ quant_method: "bitsandbytes", load_in_4bit: true, bnb_4bit_quant_type: "nf3" }, /nf3/],
  ] as const) {
    await raises("unsupported_architecture", name, () => readQuantization(config));
  }
  await raises("config_invalid", /not a JSON object/, () => readQuantization([]));
  await raises("config_invalid", /modules_to_not_convert/, () =>
    readQuantization({ ...gptq, modules_to_not_convert: "lm_head" }),
  );
});

/** A matrix of 8 outputs and 8 inputs in one group, with parts replaced or left out. */
async function gptqMatrix(parts: Record<string, { dtype: string; shape: number[] } | undefined>) {
  const whole = {
    "w.qweight": { dtype: "I32", shape: [1, 8] },
    "w.qzeros": { dtype: "I32", shape: [1, 1] },
    "w.scales": { dtype: "F16", shape: [1, 8] },
    ...parts,
  };
  const header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> = {};
  let end = 0;
  for (const [name, part] of Object.entries(whole)) {
    if (part === undefined) continue;
    const begin = end;
    end += part.shape.reduce((product, size) => product * size, part.dtype === "F16" ? 2 : 4);
    header[name] = { ...part, data_offsets: [begin, end] };
  }
  const source = await readShardedSafetensors(
    new MemoryFolder({ "model.safetensors": safetensorsBytes(header, new Uint8Array(end)) }),
  );
  return unpackTensors(source, readQuantization({ quant_method: "gptq", bits: 4 }));
}

test("parts that are missing or do not fit each other are named", async () => {
  assert.deepEqual((await gptqMatrix({})).tensors.get("w.weight")?.shape, [8, 8]);
  await raises("tensor_missing", /w\.scales/, () => gptqMatrix({ "w.scales": undefined }));
  await raises("tensor_shape", /w\.qzeros/, () => gptqMatrix({ "w.qzeros": { dtype: "I32", shape: [2, 1] } }));
  await raises("tensor_shape", /w\.g_idx/, () => gptqMatrix({ "w.g_idx": { dtype: "I32", shape: [7] } }));
  await raises("unsupported_dtype", /w\.qweight/, () => gptqMatrix({ "w.qweight": { dtype: "U32", shape: [1, 8] } }));
});

test("a module that is packed although the config says it is not is refused", async () => {
  const folder = await mkdtemp(join(tmpdir(), "molora-packed-"));
  try {
    await cp("test/fixtures/packed/awq", folder, { recursive: true });
    const config = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
    config.quantization_config.modules_to_not_convert = ["o_proj"];
    await writeFile(join(folder, "config.json"), JSON.stringify(config));
    await raises("config_invalid", /self_attn\.o_proj is packed/, () => openModelFiles(new DirectoryFolder(folder)));
  } finally {
    await rm(folder, { recursive: true });
  }
});
