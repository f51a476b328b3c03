// What a tokenizer's files are made of, and the error of what is not as it should be. It does not know which fields there are.

import { type ErrorInfo, MoloraError } from "../../proto/errors.ts";

export type JsonObject = Record<string, unknown>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An error about the model's tokenizer files. */
export function tokenizerInvalid(message: string, info?: ErrorInfo): MoloraError {
  return new MoloraError("tokenizer_invalid", `tokenizer: ${message}`, info);
}
