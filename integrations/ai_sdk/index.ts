// `molora/ai-sdk`: molora as a provider of the Vercel AI SDK, specification v4.

import { NoSuchModelError, type ProviderV4 } from "@ai-sdk/provider";
import type { Backend } from "../backend.ts";
import { MoloraLanguageModel } from "./language_model.ts";

export type { Backend, Named } from "../backend.ts";
export { MoloraLanguageModel } from "./language_model.ts";
export type { MoloraProviderOptions } from "./request.ts";

/** Call it with a model's name, or use it where the AI SDK takes a provider. */
export interface MoloraProvider extends ProviderV4 {
  (model: string): MoloraLanguageModel;
  languageModel(model: string): MoloraLanguageModel;
}

/**
 * A provider over an embedded `Engine` or a `MoloraClient`. Names of models: `base`, an adapter's or a mixture's name.
 *
 * @example
 * ```ts
 * import { generateText } from "ai";
 * import { Engine } from "molora";
 * import { createMolora } from "molora/ai-sdk";
 *
 * const molora = createMolora(await Engine.load());
 * const { text } = await generateText({ model: molora("default"), prompt: "Add 2 and 3." });
 * ```
 */
export function createMolora(backend: Backend): MoloraProvider {
  const languageModel = (model: string) => new MoloraLanguageModel(backend, model);
  const none = (modelType: "embeddingModel" | "imageModel") => (modelId: string) => {
    throw new NoSuchModelError({ modelId, modelType, message: "molora generates text only" });
  };
  return Object.assign((model: string) => languageModel(model), {
    specificationVersion: "v4" as const,
    languageModel,
    embeddingModel: none("embeddingModel"),
    imageModel: none("imageModel"),
  });
}
