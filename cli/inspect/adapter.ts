// Inspects an adapter without its base: what it extends, by how much, and what base its shapes ask for.

import { Fields } from "../../files/fields.ts";
import { parseFactorName } from "../../files/lora/factor_names.ts";
import { parsePeftConfig } from "../../files/lora/peft_config.ts";
import { type ByteSource, readText, type SourceFolder } from "../../files/source.ts";
import { readGguf } from "../../files/weights/gguf/gguf.ts";
import { readSafetensors } from "../../files/weights/safetensors/safetensors.ts";
import type { TensorSource } from "../../files/weights/tensor.ts";
import { MoloraError } from "../../proto/errors.ts";
import { type AdapterFacts, type Problem, problem } from "./inspection.ts";

export const PEFT_CONFIG = "adapter_config.json";
export const MLX_WEIGHTS = "adapters.safetensors";
const PEFT_WEIGHTS = "adapter_model.safetensors";

/** Modules whose input is the residual stream, in Hugging Face's names and GGUF's. */
const READS_RESIDUAL =
  /\b(q_proj|k_proj|v_proj|qkv_proj|gate_proj|up_proj|gate_up_proj|attn_q|attn_k|attn_v|attn_qkv|ffn_gate|ffn_up)$/;

const LAYER = /(?:^|\.)(?:layers|blk)\.(\d+)\./;
const EXPERTS = /\.mlp\.(?:experts|switch_mlp)\.|\.ffn_(?:gate|up|down)_exps\./;
/** Of all experts together in two dimensions: their rank is not to be seen without their number. */
const STACKED = /\.mlp\.experts\.(base_layer\.)*lora_[AB]\b/;
const TABLE = /(?:^|\.)(embed_tokens|lm_head)\.([a-z_]+\.)*weight$/;
const SPELLING = ["tokenizer.json", "tokenizer_config.json", "added_tokens.json"];

interface Read {
  format: string;
  config: Record<string, unknown>;
  weights: TensorSource;
  /** Files that spell its tokens. */
  tokenizer: boolean;
}

export async function inspectAdapter(
  from: ByteSource | SourceFolder,
): Promise<{ facts: AdapterFacts | null; problems: Problem[] }> {
  const problems: Problem[] = [];
  let read: Read | undefined;
  try {
    read = "read" in from ? await readFile(from) : await readFolder(from, problems);
  } catch (error) {
    problems.push(problem("weights", MoloraError.from(error)));
  }
  return { facts: read === undefined ? null : factsOf(read), problems };
}

async function readFile(source: ByteSource): Promise<Read> {
  const { metadata, tensors } = await readGguf(source);
  const config = {
    base_model_name_or_path: metadata.get("general.base_model.0.name"),
    lora_alpha: metadata.get("adapter.lora.alpha"),
    alora_invocation_tokens: metadata.get("adapter.alora.invocation_tokens"),
  };
  return { format: "GGUF", config, weights: tensors, tokenizer: false };
}

async function readFolder(folder: SourceFolder, problems: Problem[]): Promise<Read> {
  const names = await folder.list();
  const isMlx = names.includes(MLX_WEIGHTS) && !names.includes(PEFT_WEIGHTS);
  const config = await configOf(folder);
  if (!isMlx) {
    try {
      parsePeftConfig(new Fields(config, PEFT_CONFIG, "config_invalid"));
    } catch (error) {
      problems.push(problem("config", MoloraError.from(error)));
    }
  }
  const file = isMlx ? MLX_WEIGHTS : PEFT_WEIGHTS;
  const source = await folder.open(file);
  if (source === undefined) throw new MoloraError("file_not_found", `${folder.name} has no ${file}`);
  const weights = await readSafetensors(source, { otherTypes: "list" });
  for (const [name, type] of weights.unsupported ?? []) {
    problems.push({ part: "weights", code: "unsupported_dtype", message: `${name} is ${type}`, remedy: null });
    break;
  }
  const tokenizer = SPELLING.some((name) => names.includes(name));
  return { format: isMlx ? "mlx-lm" : "PEFT", config, weights, tokenizer };
}

async function configOf(folder: SourceFolder): Promise<Record<string, unknown>> {
  const source = await folder.open(PEFT_CONFIG);
  const json: unknown = source && JSON.parse(await readText(source));
  return typeof json === "object" && json !== null ? (json as Record<string, unknown>) : {};
}

function factsOf({ format, config, weights, tokenizer }: Read): AdapterFacts {
  const modules = new Set<string>();
  const ranks = new Set<number>();
  let layers = 0;
  let parameters = 0;
  let hiddenSize: number | null = null;
  let vocabulary: number | null = null;
  for (const { name, shape } of weights.tensors.values()) {
    parameters += shape.reduce((product, size) => product * size, 1);
    if (TABLE.test(name) && shape.length === 2) vocabulary = shape[0];
    const parsed = parseFactorName(name.replace(/\.weight(?=\.lora_)/, ""));
    if (parsed === undefined || parsed.factor === "alpha") continue;
    modules.add(EXPERTS.test(name) ? "experts" : parsed.inner.split(".").at(-1)!);
    layers = Math.max(layers, 1 + Number(LAYER.exec(parsed.inner)?.[1] ?? -1));
    if (parsed.factor !== "a" || shape.length < 2 || STACKED.test(name)) continue;
    const [rank, inputs] = shape.slice(-2).sort((a, b) => a - b);
    ranks.add(rank);
    if (EXPERTS.test(name)) continue;
    if (READS_RESIDUAL.test(parsed.inner)) hiddenSize ??= inputs;
  }
  const text = (value: unknown) => (typeof value === "string" ? value : null);
  const { lora_alpha: alpha, alora_invocation_tokens: invocation } = config;
  return {
    format,
    baseModel: text(config.base_model_name_or_path) ?? text(config.model),
    ranks: [...ranks].sort((a, b) => a - b),
    alpha: typeof alpha === "number" ? alpha : null,
    modules: [...modules],
    layers,
    hiddenSize,
    parameters,
    activated: invocation !== undefined && invocation !== null,
    vocabulary,
    tokenizer,
  };
}
