// An adapter of llama.cpp: one GGUF file (`general.type` "adapter"), as convert_lora_to_gguf.py writes it.

import { MoloraError } from "../../proto/errors.ts";
import type { ModelConfig } from "../families/config.ts";
import type { Family } from "../families/family.ts";
import { familyOf } from "../families/registry.ts";
import { hfName } from "../families/tensor_names.ts";
import { shown } from "../shown.ts";
import { type ByteSource, MemorySource } from "../source.ts";
import { FileTensor } from "../weights/file_tensor.ts";
import { type GgufTensorInfo, readGgufHeader } from "../weights/gguf/gguf_header.ts";
import { deinterleaved } from "../weights/gguf/rope_rows.ts";
import { unsupportedType } from "../weights/safetensors/safetensors.ts";
import type { StoredTensor } from "../weights/tensor.ts";
import { type AdapterFiles, readWhole } from "./adapter_files.ts";
import { refuse } from "./refusals.ts";

const FACTOR = /^(.+)\.(lora_[ab])$/;

/**
 * Tensors "blk.0.attn_q.weight.lora_a" [rank, in] and ".lora_b" [out, rank]; B of q and k has the row order of the
 * family's own q and k. The scale is `adapter.lora.alpha` / rank.
 *
 * @throws MoloraError `adapter_unsupported` for another kind of file, architecture or adapter, `config_invalid`, and what
 * `readGgufHeader` throws
 */
export async function readGgufAdapter(source: ByteSource, config: ModelConfig): Promise<AdapterFiles> {
  const bytes = await readWhole(source);
  const file = new MemorySource(source.name, bytes);
  const { metadata, tensors: infos } = await readGgufHeader(file);
  const family = familyOf(config);
  const kind = metadata.get("general.type") ?? "model";
  if (kind !== "adapter") refuseFile(source, `it holds a ${shown(kind)}, no adapter`);
  const type = metadata.get("adapter.type");
  if (type !== "lora") refuse(`adapter.type ${shown(type ?? "(none)")}`);
  const architecture = metadata.get("general.architecture");
  if (architecture !== family.gguf.architecture) {
    refuseFile(
      source,
      `it was made for the architecture ${shown(architecture)}, the base is ${family.gguf.architecture}`,
    );
  }
  const alpha = metadata.get("adapter.lora.alpha") ?? 0;
  if (typeof alpha !== "number" || !Number.isFinite(alpha)) {
    throw new MoloraError("config_invalid", `${source.name}: adapter.lora.alpha is ${shown(alpha)}, not a number`);
  }
  const tensors = infos.map((info) => factorOf(file, info, family, config));
  return {
    claims: {
      baseModel: namedBase(metadata.get("general.base_model.0.name")),
      // llama.cpp takes no alpha and one of 0 alike: the factors as they are.
      rankAndScale: (_, rank) => ({ rank, scale: alpha === 0 ? 1 : alpha / rank }),
      transposed: "never",
      invocation: invocationOf(source, metadata.get("adapter.alora.invocation_tokens")),
    },
    weights: { name: source.name, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])) },
    bytes: [bytes],
  };
}

function factorOf(file: ByteSource, info: GgufTensorInfo, family: Family, config: ModelConfig): StoredTensor {
  const [, weight = info.name, factor] = FACTOR.exec(info.name) ?? [];
  const name = [(hfName(family, weight) ?? weight).replace(/\.weight$/, ""), ...(factor ? [factor] : [])].join(".");
  if (!info.type.stored) throw unsupportedType(file.name, name, info.type.name);
  const place = { name, type: info.type.stored, shape: info.shape, offset: info.begin, bytes: info.end - info.begin };
  const tensor = new FileTensor(file, place);
  const { q_proj, k_proj } = family.tensors.modules;
  const rotated = [q_proj, k_proj].some(({ gguf }) => weight.endsWith(`.${gguf}.weight`));
  if (!family.gguf.interleavedRope || factor !== "lora_b" || !rotated) return tensor;
  return deinterleaved(tensor, config.headDim);
}

/** @throws MoloraError `config_invalid` for anything but a list of token ids */
function invocationOf({ name }: ByteSource, tokens: unknown): readonly number[] | undefined {
  if (tokens === undefined) return undefined;
  const ids = Array.isArray(tokens) || ArrayBuffer.isView(tokens) ? [...(tokens as Iterable<unknown>)] : [];
  const valid = ids.every((id): id is number => Number.isInteger(id) && (id as number) >= 0);
  if (ids.length > 0 && valid) return ids as number[];
  throw new MoloraError("config_invalid", `${name}: adapter.alora.invocation_tokens is no list of token ids`);
}

function namedBase(name: unknown): string | undefined {
  return typeof name === "string" ? shown(name) : undefined;
}

function refuseFile(source: ByteSource, reason: string): never {
  throw new MoloraError("adapter_unsupported", `${source.name}: ${reason}`, {
    remedy: "Give an adapter that convert_lora_to_gguf.py made for this base, or a PEFT folder.",
  });
}
