// The package `molora/browser`: the engine in a page or in a worker of one, bound to its WebGPU or its CPU, files by URL.

import { Engine as CoreEngine } from "../engine/engine.ts";
import type { EngineOptions } from "../engine/engine_options.ts";
import type { Host } from "../engine/host.ts";
import { MoloraError } from "../proto/errors.ts";
import { openPageDevice } from "./device.ts";
import { openUrl, UrlFolder } from "./files.ts";

export type { Engine as CoreEngine } from "../engine/engine.ts";
export type { EngineOptions } from "../engine/engine_options.ts";
export type { MergedReport, MergeRequest } from "../engine/merge_request.ts";
export type * from "../proto/api.ts";
export { ERROR_CODES, type ErrorCode, type ErrorInfo, MoloraError } from "../proto/errors.ts";

/** An engine in this page; `Engine.load` opens one. */
export type Engine = CoreEngine;

export const Engine = {
  /**
   * Opens the device and loads a base model, adapters and mixtures by their URLs: a .gguf file, or a folder that ends in a
   * slash. Relative ones count from the page.
   *
   * The page computes on WebGPU where it has a hardware adapter, else on the CPU: with as many threads as there are cores
   * where the page is cross-origin isolated (served with `Cross-Origin-Opener-Policy: same-origin` and
   * `Cross-Origin-Embedder-Policy: require-corp`), else with one, between whose steps the page goes on. Load the engine in a
   * Worker of your own where the page must stay smooth all the same.
   *
   * @throws MoloraError what is wrong with a file, `download_failed`
   *
   * @example
   * ```ts
   * import { Engine } from "molora/browser";
   *
   * const engine = await Engine.load({ model: "models/nano/nano.Q8_0.gguf", mixtures: { all: "models/nano/mixtures/default/" } });
   * for await (const event of engine.generate({ prompt: "Hello", mixture: "all", maxTokens: 40 })) document.body.append(event.text);
   * ```
   */
  load(options: EngineOptions): Promise<Engine> {
    return CoreEngine.load(HOST, options);
  },
};

const HOST: Host = {
  openDevice: openPageDevice,
  async open(path) {
    const url = absolute(path);
    if (url.endsWith("/")) return new UrlFolder(url);
    const file = await openUrl(url);
    if (file !== undefined) return file;
    throw new MoloraError("file_not_found", `there is no file ${url}`, {
      remedy: "Check the address; that of a folder ends in a slash.",
    });
  },
  // What a mixture says of its adapters are folders.
  resolve: (from, path) => new URL(`${path.replace(/\/?$/, "/")}`, new URL(from.replace(/\/?$/, "/"), base())).href,
};

function absolute(path: string): string {
  return new URL(path, base()).href;
}

function base(): string {
  return (globalThis as unknown as { location: { href: string } }).location.href;
}
