// config.json's `quantization_config`: how the matrices of safetensors are packed. What is not read is refused by name.

import { MoloraError } from "../../../proto/errors.ts";
import { shown } from "../../shown.ts";

export type Quantization =
  | {
      method: "gptq";
      bits: 4 | 8;
      /** What is added to a stored zero: 1 of checkpoint_format "gptq", 0 of "gptq_v2". */
      zeroOffset: 0 | 1;
      kept: readonly string[];
    }
  | { method: "awq"; bits: 4; kept: readonly string[] }
  | { method: "bitsandbytes"; type: "nf4" | "fp4"; kept: readonly string[] };

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads the object. `kept` are the modules that it says are not quantised, by a part of their name.
 *
 * @throws MoloraError `unsupported_architecture` names the method, or the field of it that is not read; `config_invalid`
 */
export function readQuantization(config: unknown): Quantization {
  if (typeof config !== "object" || config === null || Array.isArray(config)) {
    throw new MoloraError("config_invalid", "config.json: quantization_config is not a JSON object");
  }
  const fields = config as Fields;
  switch (fields.quant_method) {
    case "gptq":
      return gptq(fields);
    case "awq":
      return awq(fields);
    case "bitsandbytes":
      return bitsandbytes(fields);
    default:
      throw refused(fields, "quant_method", fields.quant_method ?? "(none named)");
  }
}

function gptq(fields: Fields): Quantization {
  const { bits, checkpoint_format: format = "gptq" } = fields;
  if (bits !== 4 && bits !== 8) throw refused(fields, "bits", bits);
  if (format !== "gptq" && format !== "gptq_v2") throw refused(fields, "checkpoint_format", format);
  for (const field of ["is_marlin_format", "lm_head"]) if (fields[field]) throw refused(fields, field, fields[field]);
  return { method: "gptq", bits, zeroOffset: format === "gptq" ? 1 : 0, kept: keptModules(fields) };
}

function awq(fields: Fields): Quantization {
  const { bits, version = "gemm", zero_point = true } = fields;
  if (bits !== 4) throw refused(fields, "bits", bits);
  if (String(version).toLowerCase() !== "gemm") throw refused(fields, "version", version);
  if (zero_point !== true) throw refused(fields, "zero_point", zero_point);
  return { method: "awq", bits, kept: keptModules(fields) };
}

function bitsandbytes(fields: Fields): Quantization {
  const type = fields.bnb_4bit_quant_type;
  if (fields.load_in_4bit !== true) throw refused(fields, "load_in_4bit", fields.load_in_4bit ?? false);
  if (type !== "nf4" && type !== "fp4") throw refused(fields, "bnb_4bit_quant_type", type);
  const storage = fields.bnb_4bit_quant_storage ?? "uint8";
  if (storage !== "uint8") throw refused(fields, "bnb_4bit_quant_storage", storage);
  return { method: "bitsandbytes", type, kept: keptModules(fields) };
}

function keptModules(fields: Fields): string[] {
  const field = fields.quant_method === "bitsandbytes" ? "llm_int8_skip_modules" : "modules_to_not_convert";
  const names = fields[field] ?? [];
  if (Array.isArray(names) && names.every((name) => typeof name === "string")) return names;
  throw new MoloraError("config_invalid", `config.json: quantization_config: ${field} is no list of names`);
}

function refused({ quant_method: method }: Fields, field: string, value: unknown): MoloraError {
  const of = field === "quant_method" ? "" : `${shown(method)} with `;
  return new MoloraError(
    "unsupported_architecture",
    `config.json: quantization_config: ${of}${field} ${shown(value)} is not read`,
    {
      remedy:
        "Take GPTQ of 4 or 8 bits, AWQ of 4 bits (gemm), bitsandbytes of 4 bits, a GGUF, or the model before it was quantised.",
      details: { field },
    },
  );
}
