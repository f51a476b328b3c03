// An adapter from any of the files it may come in, as an Adapter that fits a given base, or an error.

import type { AdapterReport } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { sha256 } from "../digest.ts";
import type { ModelConfig } from "../families/config.ts";
import { turn } from "../slices.ts";
import type { ByteSource, SourceFolder } from "../source.ts";
import type { Adapter, ExpertLayer, LoraModule } from "./adapter.ts";
import type { AdapterFiles } from "./adapter_files.ts";
import type { AdapterClaims } from "./claims.ts";
import { COMPRESSED_JSON, readCompressed } from "./compressed.ts";
import { checkFit } from "./fit.ts";
import { readGgufAdapter } from "./gguf_adapter.ts";
import { MLX_WEIGHTS, readMlxFolder } from "./mlx.ts";
import { readOwnTokenizer } from "./own_tokenizer.ts";
import { CONFIG, readPeftFolder } from "./peft.ts";
import { readChange } from "./read_change.ts";
import { takeExperts } from "./take_experts.ts";
import { takeVocabulary, type VocabularyChange } from "./vocabulary.ts";

/**
 * Loads an adapter for a base of shape `config`, every stored type as float32: a PEFT folder, a folder of mlx-lm, a
 * GGUF of llama.cpp, alone or in a folder without adapter_config.json, or the adapter `name` of a compressed set.
 *
 * @throws MoloraError `file_not_found`, `config_invalid`; `adapter_unsupported` names the feature; `adapter_mismatch`
 * lists matched and unmatched tensors, missing modules and wrong shapes; `tensor_not_finite`; `adapter_no_effect` where
 * every module's delta is zero; and what the readers of safetensors and GGUF throw
 */
export async function loadAdapter(
  name: string,
  from: ByteSource | SourceFolder,
  config: ModelConfig,
): Promise<Adapter> {
  if ("list" in from && (await from.list()).includes(COMPRESSED_JSON)) return readCompressed(name, from, config);
  const { claims, weights, bytes } = await readFiles(from, config);
  const { rest: ofLayers, vocabulary: tables } = await takeVocabulary(claims, weights, config);
  const { rest, experts } = await takeExperts(claims, ofLayers, config);
  const tokenizer = tables && "list" in from ? await readOwnTokenizer(from) : undefined;
  const vocabulary = tables && { ...tables, ...(tokenizer && { tokenizer }) };
  const changes = await checkFit(claims, rest, config, vocabulary !== undefined || experts !== undefined);

  const layers: Adapter["layers"] = Array.from({ length: config.numLayers }, () => ({}));
  for (const change of changes) {
    Object.assign(layers[change.layer], await readChange(change, config));
    await turn();
  }
  if (vocabulary === undefined) refuseNoEffect(name, [...layers, ...(experts ?? [])]);

  const hash = await sha256(...bytes, ...(tokenizer?.bytes ?? []));
  const modules = [...layers, ...(experts ?? [])].flatMap((layer) => Object.values(layer));
  return {
    name,
    hash,
    layers,
    ...(experts && { experts }),
    ...invocationOf(name, claims, vocabulary?.size ?? config.vocabSize),
    ...(vocabulary && { vocabulary }),
    report: {
      name,
      hash,
      matched: [
        ...changes.flatMap(({ layer, modules }) => modules.map((module) => `layers.${layer}.${module}`)),
        ...(experts ?? []).flatMap((parts, i) => Object.keys(parts).map((part) => `layers.${i}.experts.${part}`)),
      ],
      unmatched: [],
      ranks: distinct(modules.map(({ rank }) => rank)),
      scales: distinct(modules.map(({ scale }) => scale)),
      bytes: modules.reduce((sum, module) => sum + bytesOf(module), 0),
      ...(vocabulary && { vocabulary: reportOf(vocabulary) }),
    },
  };
}

async function readFiles(from: ByteSource | SourceFolder, config: ModelConfig): Promise<AdapterFiles> {
  if ("read" in from) {
    if (from.name.endsWith(".gguf")) return readGgufAdapter(from, config);
    throw new MoloraError("file_not_found", `${from.name} is a file`, { remedy: "Name the folder it lies in." });
  }
  const names = await from.list();
  if (names.includes(MLX_WEIGHTS) && !names.includes("adapter_model.safetensors")) return readMlxFolder(from);
  const gguf = names.filter((file) => file.endsWith(".gguf"));
  const alone = gguf.length === 1 && !names.includes(CONFIG) ? await from.open(gguf[0]) : undefined;
  return alone ? readGgufAdapter(alone, config) : readPeftFolder(from);
}

function invocationOf(name: string, { invocation }: AdapterClaims, vocabSize: number): Pick<Adapter, "invocation"> {
  if (invocation === undefined) return {};
  const stranger = invocation.find((id) => id >= vocabSize);
  if (stranger === undefined) return { invocation };
  throw new MoloraError(
    "adapter_mismatch",
    `adapter "${name}" is invoked by token ${stranger}, which this base lacks`,
    {
      remedy: `Use the base it was trained on; with this one it has ${vocabSize} tokens.`,
    },
  );
}

function reportOf({ size, tokenizer }: VocabularyChange): NonNullable<AdapterReport["vocabulary"]> {
  const spelt = tokenizer?.tokenizer ? "own" : tokenizer ? "extended" : "base";
  return { tokens: size, tokenizer: spelt };
}

function refuseNoEffect(name: string, layers: readonly (Adapter["layers"][number] | ExpertLayer)[]): void {
  const modules = layers.flatMap((layer) => Object.values(layer));
  const isZero = (factor: Float32Array) => factor.every((x) => x === 0);
  const isPlain = ({ unsettled }: LoraModule) => unsettled === undefined;
  if (!modules.every((module) => isPlain(module) && (module.scale === 0 || isZero(module.b) || isZero(module.a))))
    return;
  throw new MoloraError("adapter_no_effect", `adapter "${name}" changes nothing: every delta B·A of it is zero`, {
    remedy: "Check that it was saved after training; a fresh LoRA has B = 0.",
  });
}

function bytesOf({ a, b, unsettled = {} }: LoraModule): number {
  return [a, b, ...Object.values(unsettled)].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

function distinct(values: number[]): number[] {
  return [...new Set(values)].sort((x, y) => x - y);
}
