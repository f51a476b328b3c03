// The package `molora` in Node: the engine bound to this machine's device and files.

import type { EngineApi, KeptBase } from "../engine/api.ts";
import { keepBackbone } from "../engine/backbones.ts";
import { Engine as CoreEngine } from "../engine/engine.ts";
import type { EngineOptions } from "../engine/engine_options.ts";
import type { FetchProgress } from "./download.ts";
import { nodeHost } from "./host.ts";
import { isPreset, openPreset } from "./presets.ts";
import { openSources } from "./sources/open_sources.ts";
import type { SourceSettings } from "./sources/settings.ts";

export type { Asked } from "../engine/adapters/asked.ts";
export type { EngineApi, KeptBase, LoopCounters } from "../engine/api.ts";
export type { DeviceChoice, EngineOptions, WeightDtype } from "../engine/engine_options.ts";
export type { MergedReport, MergeRequest } from "../engine/merge_request.ts";
export type { DecodeOptions, EncodeOptions, Tokenizer } from "../engine/text/tokenizer.ts";
export type { LongScaling, ModelConfig, RopeScaling, YarnScaling } from "../files/families/config.ts";
export type { Experts, Facts } from "../files/families/facts.ts";
export type { LoraModuleName } from "../files/families/modules.ts";
export type * from "../proto/api.ts";
export { ERROR_CODES, type ErrorCode, type ErrorInfo, MoloraError } from "../proto/errors.ts";
export type { FetchProgress } from "./download.ts";
export type { SourceSettings } from "./sources/settings.ts";

/** What to load, and how much of the device to take for it. */
export interface LoadOptions extends Omit<EngineOptions, "model">, SourceSettings {
  /**
   * A Hugging Face folder, a GGUF file, one of both on a hub (`hf:user/repo`, `hf:user/repo@revision:file.gguf`; fetched
   * once, as adapters and mixtures named so are), or a short name: `nano` (the embedded default; far too small to be
   * clever) or `smollm2` (98 MB, fetched once). A short name brings its adapters `math`, `sql`, `medical`, `code` and its
   * mixture `default` along. A folder of such a name is reached as `./nano`.
   */
  model?: string;
  /** Called while something is downloaded: a short name's base, or what is named on a hub. */
  onFetch?: FetchProgress;
}

/** What of the options says which base it is, on which device. */
export type PreloadOptions = Pick<LoadOptions, "model" | "device" | "threads" | "dtype" | "onFetch" | "onProgress">;

/** An engine in this process; `Engine.load` opens one. */
export type Engine = EngineApi;

export const Engine = {
  /**
   * Opens the device and loads the base model, adapters and mixtures. Engines of one base on one device share the base's weights
   * and the device's threads; each has its own adapters, limits, queue, keys and values. What the last of them closes is freed.
   *
   * @throws MoloraError `no_gpu_adapter`, or what is wrong with a file.
   *
   * @example
   * ```ts
   * import { Engine } from "molora";
   *
   * const engine = await Engine.load({ model: "models/mine", adapters: { legal: "adapters/legal" } });
   * for await (const event of engine.generate({ prompt: "What is a tort?", adapter: "legal", maxTokens: 100 })) {
   *   process.stdout.write(event.text);
   * }
   * await engine.close();
   * ```
   */
  async load(options: LoadOptions = {}): Promise<Engine> {
    const { model = "nano", onFetch, ...rest } = options;
    const host = nodeHost(
      onFetch,
      openSources(rest, Object.values({ ...rest.adapters, ...rest.mixtures, ...rest.recipes })),
    );
    if (!isPreset(model)) return CoreEngine.load(host, { ...rest, model });
    const preset = await openPreset(model, onFetch);
    return CoreEngine.load(host, {
      ...rest,
      model: preset.model,
      adapters: { ...preset.adapters, ...rest.adapters },
      mixtures: { ...preset.mixtures, ...rest.mixtures },
    });
  },

  /**
   * Loads a base that engines will need: one that is loaded with the same `model`, `device`, `threads` and `dtype` then starts
   * within milliseconds. It stays until it is released, or, while no engine uses it, until another base needs its memory.
   *
   * @throws MoloraError as `load` for the device and the base's files.
   */
  async preload(options: PreloadOptions = {}): Promise<KeptBase> {
    const { model = "nano", onFetch, ...rest } = options;
    const path = isPreset(model) ? (await openPreset(model, onFetch)).model : model;
    return keepBackbone(nodeHost(onFetch), { ...rest, model: path });
  },
};
