// Compiles kernels once: same texts and constants, same pipeline; callers that arrive meanwhile join the compile.

import { MoloraError } from "../../proto/errors.ts";
import { type Composed, compose, constantsText } from "../../shaders/compose.ts";
import type { Kernel, WgslBody } from "../../shaders/kernel.ts";

/** A compiled kernel: everything a launch needs but its buffers. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  /** Of its bindings, in order. */
  readonly names: readonly string[];
}

const BUFFER_TYPES = { uniform: "uniform", read: "read-only-storage", read_write: "storage" } as const;

export class PipelineCache {
  readonly #device: GPUDevice;
  readonly #readText: (url: string) => Promise<string>;
  readonly #texts = new Map<string, Promise<string>>();
  readonly #pipelines = new Map<string, Promise<Pipeline>>();

  constructor(device: GPUDevice, readText: (url: string) => Promise<string>) {
    this.#device = device;
    this.#readText = readText;
  }

  /** @throws MoloraError `shader_failed`, quoting line, column and source */
  get<Facts, Shape>(kernel: Kernel<Facts, Shape>, facts: Facts, body: WgslBody<Shape>): Promise<Pipeline> {
    const composed = compose(kernel, facts, body);
    return remember(this.#pipelines, composed.key, () => this.#compile(kernel.name, composed));
  }

  async #compile(name: string, { bindings, constants, enables, structs, texts }: Composed): Promise<Pipeline> {
    const parts = await Promise.all(texts.map((url) => remember(this.#texts, url, () => this.#readText(url))));
    const head = enables.map((extension) => `enable ${extension};\n`).join("");
    const code = head + constantsText(constants) + structs + parts.join("\n");
    const module = this.#device.createShaderModule({ label: name, code });
    const layout = this.#device.createBindGroupLayout({
      label: name,
      entries: Object.values(bindings).map((access, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: BUFFER_TYPES[access] },
      })),
    });
    try {
      const pipeline = await this.#device.createComputePipelineAsync({
        label: name,
        layout: this.#device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: "main" },
      });
      return { pipeline, layout, names: Object.keys(bindings) };
    } catch (cause) {
      throw new MoloraError("shader_failed", await describeFailure(name, module, code, cause), { cause });
    }
  }
}

/** What is being made under `key`, begun now where it is not. A failure is forgotten, so that the next caller tries again. */
function remember<T>(known: Map<string, Promise<T>>, key: string, make: () => Promise<T>): Promise<T> {
  let made = known.get(key);
  if (made === undefined) {
    made = make();
    known.set(key, made);
    made.catch(() => known.delete(key));
  }
  return made;
}

async function describeFailure(name: string, module: GPUShaderModule, code: string, cause: unknown): Promise<string> {
  const lines = code.split("\n");
  const info = await module.getCompilationInfo();
  const messages = info.messages.map(
    (m) => `${name}:${m.lineNum}:${m.linePos} ${m.type}: ${m.message}\n    ${lines[m.lineNum - 1] ?? ""}`,
  );
  return `the shader ${name} did not compile\n${messages.join("\n") || String(cause)}`;
}
