// What GGUF metadata and tensors state beyond a plain Llama, as facts, each with the words a refusal names it by.

import type { Facts } from "../families/facts.ts";
import type { Family } from "../families/family.ts";
import { LORA_MODULES } from "../families/modules.ts";
import { biasTensor } from "../families/tensor_names.ts";
import type { TensorSource } from "../weights/tensor.ts";
import { unsupportedArchitecture } from "./check_config.ts";
import type { GgufFields } from "./gguf_fields.ts";
import type { StatedFacts } from "./served_facts.ts";

export interface GgufSizes {
  hiddenSize: number;
  numLayers: number;
  numHeads: number;
  headDim: number;
  intermediateSize: number;
  contextLength: number;
}

export function readGgufFacts(
  family: Family,
  fields: GgufFields,
  sizes: GgufSizes,
  source: TensorSource,
): StatedFacts[] {
  return [
    ...biases(family, source),
    ...windows(family, fields, sizes),
    ...experts(family, fields, sizes),
    ...rotations(family, fields, sizes),
    ...scales(family, fields, sizes),
    ...caps(fields),
  ];
}

/** Biases are known by their tensors; each layer has the same. */
function biases(family: Family, { tensors, unsupported }: TensorSource): StatedFacts[] {
  const own = family.facts?.({ hiddenSize: 1 }).biases ?? [];
  const names = LORA_MODULES.map((module) => [module, biasTensor(family, 0, module)] as const);
  const found = names.filter(([, name]) => tensors.has(name) || unsupported?.has(name));
  const more = found.filter(([module]) => !own.includes(module));
  if (more.length === 0) return [];
  return [{ facts: { biases: more.map(([module]) => module) }, stated: `bias ${more[0][1]}` }];
}

/** A window as long as the context hides nothing: it counts as none. */
function windows({ gguf }: Family, fields: GgufFields, { numLayers, contextLength }: GgufSizes): StatedFacts[] {
  const window = fields.number("attention.sliding_window", 0);
  if (window === 0 || window >= contextLength) return [];
  const stated = `a sliding window of ${window}`;
  const every = fields.raw("attention.sliding_window_pattern") ?? 6;
  const { windowed } = gguf;
  if (windowed === undefined || typeof every !== "number") throw unsupportedArchitecture(fields.file, stated);
  const facts: Facts = {
    windows: Array.from({ length: numLayers }, (_, layer) => (windowed(layer, every) ? window : 0)),
  };
  if (gguf.localRopeTheta !== undefined) {
    facts.localRopeTheta = fields.positive("rope.freq_base_swa", gguf.localRopeTheta);
  }
  return [{ facts, stated }];
}

function experts({ gguf }: Family, fields: GgufFields, { intermediateSize }: GgufSizes): StatedFacts[] {
  const count = fields.number("expert_count", 0);
  if (count === 0) return [];
  const stated = `a mixture of ${count} feed-forward experts`;
  if (gguf.experts === undefined) throw unsupportedArchitecture(fields.file, stated);
  const facts: Facts = {
    experts: {
      count,
      used: fields.positive("expert_used_count"),
      intermediateSize: fields.positive("expert_feed_forward_length", intermediateSize),
      normalised: gguf.experts.normalised,
      dense: [],
    },
  };
  return [{ facts, stated }];
}

function rotations({ gguf }: Family, fields: GgufFields, { headDim, numLayers }: GgufSizes): StatedFacts[] {
  const found: StatedFacts[] = [];
  const rotaryDim = fields.number("rope.dimension_count", headDim);
  if (rotaryDim !== headDim) {
    const stated = `RoPE on ${rotaryDim} of ${headDim} elements of a head`;
    // Rows that are stored interleaved are put in order a whole head at a time.
    if (gguf.interleavedRope) throw unsupportedArchitecture(fields.file, stated);
    found.push({ facts: { rotaryDim }, stated });
  }
  const unrotated = Array.from({ length: numLayers }, (_, i) => i).filter((layer) => gguf.unrotated?.(layer));
  if (unrotated.length > 0) found.push({ facts: { unrotated }, stated: `layer ${unrotated[0]} without RoPE` });
  return found;
}

function scales({ gguf }: Family, fields: GgufFields, sizes: GgufSizes): StatedFacts[] {
  const found: StatedFacts[] = [];
  const add = (fact: keyof Facts, key: string, value: number, plain: number) => {
    if (value !== plain) found.push({ facts: { [fact]: value }, stated: `${key} ${value}` });
  };
  const plain = sizes.headDim ** -0.5;
  add(
    "attentionScale",
    "attention.scale",
    fields.positive("attention.scale", gguf.attentionScale?.(sizes) ?? plain),
    plain,
  );
  add("embeddingScale", "embedding_scale", fields.positive("embedding_scale", 1), 1);
  add("residualScale", "residual_scale", fields.positive("residual_scale", 1), 1);
  // Granite's, which divides.
  add("logitScale", "logit_scale", 1 / fields.positive("logit_scale", 1), 1);
  return found;
}

function caps(fields: GgufFields): StatedFacts[] {
  const keys = [
    ["attentionSoftcap", "attn_logit_softcapping"],
    ["logitSoftcap", "final_logit_softcapping"],
  ] as const;
  return keys.flatMap(([fact, key]) => {
    if (fields.raw(key) === undefined || fields.number(key) === 0) return [];
    return [{ facts: { [fact]: fields.positive(key) }, stated: `${key} ${fields.number(key)}` }];
  });
}
