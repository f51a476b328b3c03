// adapter_config.json of PEFT, read into what molora can serve; everything else is refused by name.

import { MoloraError } from "../../proto/errors.ts";
import { FAMILIES } from "../families/registry.ts";
import type { Fields } from "../fields.ts";
import type { TableName } from "./claims.ts";
import type { Extras } from "./forms.ts";
import { Pattern } from "./pattern.ts";
import { refuse } from "./refusals.ts";
import { type ModuleSelection, type Targets, valueFor } from "./targets.ts";

/** A LoRA as PEFT describes it. Patterns are in the order of the file; the first that fits counts. */
export interface PeftConfig {
  /** The base it was trained on, for messages. */
  baseModel: string | undefined;
  targets: Targets;
  rank: number;
  rankPattern: (readonly [Pattern, number])[];
  alpha: number;
  alphaPattern: (readonly [Pattern, number])[];
  /** Scale alpha / √rank in place of alpha / rank (Kalajdzievski 2023). */
  rsLora: boolean;
  /** The base's weights lie transposed. PEFT heeds it for Conv1D alone, of which no family here has any. */
  fanInFanOut: boolean;
  extras: Extras;
  /** See Adapter.invocation; undefined for a LoRA that always acts. */
  invocation: readonly number[] | undefined;
  /** target_parameters */
  parameters: readonly string[];
  /** modules_to_save */
  saved: ReadonlySet<TableName>;
  /** trainable_token_indices */
  tokenRows: ReadonlyMap<TableName, readonly number[]>;
}

const MAX_RANK = 4096;
/** PEFT's, where the file does not say. */
const DEFAULT_RANK = 8;
const DEFAULT_ALPHA = 8;

/** What changes the meaning of an adapter and is not served. A field counts when it is true or not empty. */
const UNSUPPORTED: Record<string, string> = {
  layer_replication: "replicated layers (layer_replication)",
  use_qalora: "QALoRA (use_qalora)",
  use_bdlora: "block-diagonal LoRA (use_bdlora)",
  arrow_config: "PEFT's Arrow router (arrow_config)",
  kasa_config: "KaSA (kasa_config)",
  monteclora_config: "MonteCLoRA (monteclora_config)",
};

/** Variants named "use_…" that are served, or mean nothing for linear modules. */
const SERVED_USES = new Set(["use_rslora", "use_dora", "use_effective_conv2d"]);

/** Settings of variants named "…_config" that say how to train, to begin or to run, not what is computed. */
const HARMLESS_CONFIGS = new Set([
  ...["runtime_config", "megatron_config", "eva_config", "corda_config", "loftq_config", "lora_ga_config"],
  "velora_config",
]);

/** peft_type by the name of the field with its alpha. LoHa and LoKr know neither biases nor rsLoRA. */
const ALPHA_FIELDS = new Map([
  ["LORA", "lora_alpha"],
  ["LOHA", "alpha"],
  ["LOKR", "alpha"],
]);

/** Which of the base's own biases are trained: those the file has tensors for, whichever it is. */
const BIASES = new Set(["none", "all", "lora_only"]);

/** Initialisations that change the base's weights too, so that the adapter alone does not fit the plain base. */
const BASE_CHANGING = /^(pissa|corda|olora|loftq|lora_ga)/i;

/** Reads a configuration: `config_invalid` for fields of the wrong kind, `adapter_unsupported` by name for the rest. */
export function parsePeftConfig(fields: Fields): PeftConfig {
  refuseUnsupported(fields);
  const alpha = ALPHA_FIELDS.get(fields.string("peft_type").toUpperCase())!;
  const targets = readTargets(fields);
  return {
    baseModel: fields.has("base_model_name_or_path") ? fields.string("base_model_name_or_path") : undefined,
    targets,
    rank: fields.has("r") ? fields.integer("r", 1, MAX_RANK) : DEFAULT_RANK,
    rankPattern: readPatterns(fields, "rank_pattern", (values, name) => values.integer(name, 1, MAX_RANK)),
    alpha: fields.has(alpha) ? fields.number(alpha) : DEFAULT_ALPHA,
    alphaPattern: readPatterns(fields, "alpha_pattern", (values, name) => values.number(name)),
    rsLora: fields.has("use_rslora") && fields.boolean("use_rslora"),
    fanInFanOut: fields.has("fan_in_fan_out") && fields.boolean("fan_in_fan_out"),
    invocation: readInvocation(fields),
    parameters: isSet(fields.raw("target_parameters")) ? readStrings(fields, "target_parameters") : [],
    saved: new Set(readSaved(fields)),
    tokenRows: readTokenRows(fields),
    extras: {
      magnitude: fields.has("use_dora") && fields.boolean("use_dora"),
      bias: fields.has("lora_bias") && fields.boolean("lora_bias"),
    },
  };
}

/** Rank and scale of the module at `path`: Δ = scale · B · A. */
export function rankAndScale(config: PeftConfig, path: string): { rank: number; scale: number } {
  const rank = valueFor(config.rankPattern, path, config.rank);
  const alpha = valueFor(config.alphaPattern, path, config.alpha);
  return { rank, scale: alpha / (config.rsLora ? Math.sqrt(rank) : rank) };
}

function refuseUnsupported(fields: Fields): void {
  const type = fields.string("peft_type");
  if (!ALPHA_FIELDS.has(type.toUpperCase())) refuse(`peft_type ${type}`);
  for (const name of fields.names()) {
    if (!isSet(fields.raw(name))) continue;
    if (Object.hasOwn(UNSUPPORTED, name)) refuse(UNSUPPORTED[name]);
    // PEFT names variants that compute something else "use_…": one that is not known here must not pass for plain LoRA.
    if (name.startsWith("use_") && !SERVED_USES.has(name)) refuse(name);
    // Younger ones have a configuration of their own.
    if (name.endsWith("_config") && !HARMLESS_CONFIGS.has(name)) refuse(name);
  }
  if (fields.has("bias") && !BIASES.has(fields.string("bias")))
    refuse(`trained biases (bias: ${fields.string("bias")})`);
  const initialisation = fields.raw("init_lora_weights");
  if (typeof initialisation === "string" && BASE_CHANGING.test(initialisation)) {
    throw new MoloraError(
      "adapter_unsupported",
      `the adapter was initialised by ${initialisation}, which changed the base's weights too`,
      { remedy: "Save it again with PEFT's save_pretrained(path_initial_model_for_weight_conversion=…)." },
    );
  }
}

function isSet(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return value !== undefined && value !== false;
}

function readTargets(fields: Fields): Targets {
  const layers = readLayers(fields);
  const select = readSelection(fields, "target_modules") ?? noModules(fields);
  const layerPatterns = fields.has("layers_pattern") ? readStrings(fields, "layers_pattern") : [];
  if (typeof fields.raw("target_modules") === "string" && layers !== undefined) {
    fields.fail("layers_to_transform", "absent where target_modules is one string");
  }
  if (layerPatterns.length > 0 && layers === undefined) {
    fields.fail("layers_to_transform", "given where layers_pattern is");
  }
  return {
    select,
    exclude: readSelection(fields, "exclude_modules"),
    layers,
    layerPatterns: layerPatterns.map((pattern) => new Pattern(`.*\\.${pattern}\\.\\d+\\.`)),
  };
}

/** Every linear module that a family has but the output head, fused ones too. */
const ALL_LINEAR: ReadonlySet<string> = new Set(
  FAMILIES.flatMap(({ tensors: { modules, fused = [] } }) => [...Object.values(modules), ...fused]).map(({ hf }) =>
    hf.slice(hf.lastIndexOf(".") + 1),
  ),
);

/** An adapter of bare parameters may extend no module. */
function noModules(fields: Fields): ModuleSelection {
  if (!isSet(fields.raw("target_parameters"))) fields.fail("target_modules", "a list or a string");
  return { kind: "names", names: new Set() };
}

function readSelection(fields: Fields, name: string): ModuleSelection | undefined {
  const value = fields.raw(name);
  if (value === undefined || value === "") return undefined;
  if (typeof value !== "string") return { kind: "names", names: new Set(readStrings(fields, name)) };
  if (value.toLowerCase() === "all-linear") return { kind: "names", names: ALL_LINEAR };
  return { kind: "pattern", pattern: new Pattern(value) };
}

/** A list of strings, or one string alone. */
function readStrings(fields: Fields, name: string): string[] {
  const value = fields.raw(name);
  if (typeof value === "string") return value === "" ? [] : [value];
  return fields
    .array(name)
    .map((entry) => (typeof entry === "string" ? entry : fields.fail(name, "a list of strings")));
}

const TABLES: readonly TableName[] = ["embed_tokens", "lm_head"];

/** Of fully trained modules the embedding and the output head are served; a norm is the same for all tokens of a step. */
function readSaved(fields: Fields): TableName[] {
  if (!isSet(fields.raw("modules_to_save"))) return [];
  return readStrings(fields, "modules_to_save").map(
    (path) =>
      TABLES.find((table) => table === path.slice(path.lastIndexOf(".") + 1)) ??
      refuse(`a fully trained module (modules_to_save: ${path})`),
  );
}

/** A list is of the embedding's rows, an object lists rows by module. */
function readTokenRows(fields: Fields): Map<TableName, readonly number[]> {
  const name = "trainable_token_indices";
  if (!isSet(fields.raw(name))) return new Map();
  if (Array.isArray(fields.raw(name))) return new Map([["embed_tokens", readIds(fields, name)]]);
  const modules = fields.object(name);
  return new Map(
    modules.names().map((path) => {
      const table = TABLES.find((one) => one === path.slice(path.lastIndexOf(".") + 1));
      return [table ?? refuse(`trained rows of ${path} (${name})`), readIds(modules, path)];
    }),
  );
}

function readIds(fields: Fields, name: string): number[] {
  return fields
    .array(name)
    .map((id) =>
      Number.isInteger(id) && (id as number) >= 0 ? (id as number) : fields.fail(name, "a list of token ids"),
    );
}

/** Token ids; none at all is as good as absent. */
function readInvocation(fields: Fields): number[] | undefined {
  const name = "alora_invocation_tokens";
  if (!isSet(fields.raw(name))) return undefined;
  return readIds(fields, name);
}

/** One layer or several; an empty list means all, as in PEFT. */
function readLayers(fields: Fields): Set<number> | undefined {
  const value = fields.raw("layers_to_transform");
  if (value === undefined) return undefined;
  const layers: unknown[] = Array.isArray(value) ? value : [value];
  const valid = layers.every((layer): layer is number => Number.isInteger(layer) && (layer as number) >= 0);
  if (!valid) fields.fail("layers_to_transform", "a layer's number or a list of them");
  return layers.length === 0 ? undefined : new Set(layers as number[]);
}

function readPatterns(
  fields: Fields,
  name: string,
  read: (values: Fields, name: string) => number,
): (readonly [Pattern, number])[] {
  if (!fields.has(name)) return [];
  const values = fields.object(name);
  return values.names().map((source) => [new Pattern(source), read(values, source)] as const);
}
