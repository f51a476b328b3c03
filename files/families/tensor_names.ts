// Whole tensor names of a family: where a layer's tensors are, and GGUF's names as Hugging Face's and back.

import { MoloraError } from "../../proto/errors.ts";
import type { ExpertModule, ExpertTensors, Family, FamilyTensors, NamePair, NormName } from "./family.ts";
import type { LoraModuleName } from "./modules.ts";

export const EXPERT_MODULES: readonly ExpertModule[] = ["gate_proj", "up_proj", "down_proj"];

/** Path of a module, as PEFT's patterns see it: "model.layers.3.self_attn.q_proj". */
export function modulePath({ tensors }: Family, layer: number, module: LoraModuleName): string {
  return `${tensors.layer.hf}${layer}.${tensors.modules[module].hf}`;
}

/** Hugging Face's name of a module's weight. */
export function moduleTensor(family: Family, layer: number, module: LoraModuleName): string {
  return `${modulePath(family, layer, module)}.weight`;
}

/** Hugging Face's name of a module's bias. */
export function biasTensor(family: Family, layer: number, module: LoraModuleName): string {
  return `${modulePath(family, layer, module)}.bias`;
}

/** Hugging Face's name of a layer's norm. @throws MoloraError `internal` for a norm the family does not have */
export function normTensor(family: Family, layer: number, norm: NormName): string {
  const name = family.tensors.norms[norm];
  if (name === undefined) throw new MoloraError("internal", `${family.architectures[0]} has no norm "${norm}"`);
  return `${family.tensors.layer.hf}${layer}.${name.hf}`;
}

/** Hugging Face's name of the weights by which a layer's tokens take experts. */
export function expertRouterTensor(family: Family, layer: number): string {
  return `${family.tensors.layer.hf}${layer}.${expertTensorsOf(family).router.hf}`;
}

/** Hugging Face's name of a module's weight of one expert. */
export function expertTensor(family: Family, layer: number, expert: number, module: ExpertModule): string {
  const { hf, modules } = expertTensorsOf(family);
  return `${family.tensors.layer.hf}${layer}.${hf}${expert}.${modules[module].hf}.weight`;
}

/** What a module's weight of all experts of a layer is called, [experts, out, in], where a file has them in one tensor. */
export function allExpertsTensor(family: Family, layer: number, module: ExpertModule): string {
  return `${family.tensors.layer.hf}${layer}.${allExperts(expertTensorsOf(family), module).hf}`;
}

function allExperts({ hf, modules }: ExpertTensors, module: ExpertModule): NamePair {
  return { hf: `${hf}${modules[module].hf}.weight`, gguf: `${modules[module].gguf}.weight` };
}

function expertTensorsOf({ architectures, tensors }: Family): ExpertTensors {
  if (tensors.experts === undefined) throw new MoloraError("internal", `${architectures[0]} has no experts`);
  return tensors.experts;
}

/** "blk.3.attn_q.weight" → "model.layers.3.self_attn.q_proj.weight"; undefined for a name of no tensor of the family. */
export function hfName(family: Family, ggufName: string): string | undefined {
  return renamed(family, ggufName, "gguf", "hf");
}

/** The inverse of `hfName`. */
export function ggufName(family: Family, hfName: string): string | undefined {
  return renamed(family, hfName, "hf", "gguf");
}

function renamed({ tensors }: Family, name: string, from: keyof NamePair, to: keyof NamePair): string | undefined {
  const find = (pairs: readonly NamePair[], part: string) => pairs.find((pair) => pair[from] === part)?.[to];
  const prefix = tensors.layer[from];
  const number = name.startsWith(prefix) ? /^\d+(?=\.)/.exec(name.slice(prefix.length))?.[0] : undefined;
  if (number === undefined) return find([tensors.embedding, tensors.finalNorm, tensors.head], name);
  const found = find(inLayer(tensors), name.slice(prefix.length + number.length + 1));
  return found && `${tensors.layer[to]}${number}.${found}`;
}

function inLayer({ norms, modules, experts, fused = [] }: FamilyTensors): NamePair[] {
  // A fused tensor may bear the name that one of its parts has elsewhere.
  const linear = [...fused, ...Object.values(modules)];
  const pairs = ["weight", "bias"].flatMap((part) =>
    linear.map(({ hf, gguf }) => ({ hf: `${hf}.${part}`, gguf: `${gguf}.${part}` })),
  );
  const mixed = experts && [experts.router, ...EXPERT_MODULES.map((module) => allExperts(experts, module))];
  return [...Object.values(norms), ...(mixed ?? []), ...pairs];
}
