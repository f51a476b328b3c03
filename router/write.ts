// A Mixture as the text of mixture.json and the bytes of router.safetensors; format.ts reads both back.
// The caller puts them into a folder.

import { writeSafetensors } from "../files/weights/safetensors/safetensors_write.ts";
import { FORMAT } from "./format.ts";
import { gateTensors } from "./gate_tensors.ts";
import { keyTensors } from "./key_tensors.ts";
import type { GateRule, Mixture, Router } from "./mixture.ts";

export interface MixtureFiles {
  json: string;
  /** undefined for routers without tensors. */
  safetensors: Uint8Array | undefined;
}

/** Name and hash are not written: the name is the loader's choice, the hash follows from the files. */
export function writeMixture({ baseModel, experts, router }: Omit<Mixture, "name" | "hash">): MixtureFiles {
  const json = {
    format: FORMAT,
    base_model: {
      architecture: baseModel.architecture,
      hidden_size: baseModel.hiddenSize,
      num_hidden_layers: baseModel.numLayers,
    },
    experts,
    router: describeRouter(router),
  };
  return {
    json: `${JSON.stringify(json, undefined, 2)}\n`,
    safetensors: writeTensors(router, baseModel.hiddenSize, experts.length),
  };
}

function describeRouter(router: Router): Record<string, unknown> {
  switch (router.type) {
    case "mlp":
      return {
        type: "mlp",
        hidden_size: router.hiddenSize,
        activation: "silu",
        input: "attention_norm",
        belief: router.belief,
        ...describeRule(router),
      };
    case "keys":
      return {
        type: "keys",
        input: "attention_norm",
        memory: router.memory,
        default: router.default,
        ...describeRule(router),
      };
    case "vocabulary":
      return { type: "vocabulary", ranges: router.ranges, default: router.default };
    default:
      return { type: router.type, ...describeRule(router) };
  }
}

function describeRule({ topK, gate, temperature }: GateRule): Record<string, unknown> {
  return { top_k: topK, gate, temperature };
}

function writeTensors(router: Router, inputs: number, experts: number): Uint8Array | undefined {
  if (router.type === "keys") {
    return writeSafetensors(keyTensors(router.layers, { layers: router.layers.length, inputs, experts }));
  }
  if (router.type !== "mlp") return undefined;
  const outputs = experts + (router.belief ? 1 : 0);
  const sizes = { layers: router.layers.length, inputs, hidden: router.hiddenSize, outputs };
  return writeSafetensors(gateTensors(router.layers, sizes));
}
