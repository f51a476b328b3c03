// Compiles kernels once: same kernel and constants, same pipeline; callers that arrive meanwhile join the compile.
// It knows nothing of what the kernels compute.

import { MoloraError } from "../../proto/errors.ts";
import { type BindingType, type Constants, constantsText, type Kernel } from "./kernel.ts";

/** A compiled kernel: everything a launch needs but its buffers. */
export interface Pipeline<Name extends string = string> {
  readonly kernel: Kernel<Name>;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
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

  /** The pipeline of `kernel` under `constants`. Rejects with `shader_failed`, quoting line, column and source. */
  get<Name extends string>(kernel: Kernel<Name>, constants: Constants = {}): Promise<Pipeline<Name>> {
    const key = `${kernel.name} ${kernel.parts.join(" ")} ${JSON.stringify(constants)}`;
    let pipeline = this.#pipelines.get(key);
    if (pipeline === undefined) {
      pipeline = this.#compile(kernel, constants);
      this.#pipelines.set(key, pipeline);
    }
    return pipeline as Promise<Pipeline<Name>>;
  }

  async #compile<Name extends string>(kernel: Kernel<Name>, constants: Constants): Promise<Pipeline<Name>> {
    const parts = await Promise.all(kernel.parts.map((url) => this.#text(url)));
    const enables = (kernel.enables ?? []).map((name) => `enable ${name};\n`).join("");
    const code = enables + constantsText(constants) + parts.join("\n");
    const module = this.#device.createShaderModule({ label: kernel.name, code });
    const types: BindingType[] = Object.values(kernel.bindings);
    const layout = this.#device.createBindGroupLayout({
      label: kernel.name,
      entries: types.map((type, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: BUFFER_TYPES[type] },
      })),
    });
    try {
      const pipeline = await this.#device.createComputePipelineAsync({
        label: kernel.name,
        layout: this.#device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: "main" },
      });
      return { kernel, pipeline, layout };
    } catch (cause) {
      throw new MoloraError("shader_failed", await describeFailure(kernel.name, module, code, cause), { cause });
    }
  }

  #text(url: string): Promise<string> {
    let text = this.#texts.get(url);
    if (text === undefined) {
      text = this.#readText(url);
      this.#texts.set(url, text);
    }
    return text;
  }
}

async function describeFailure(name: string, module: GPUShaderModule, code: string, cause: unknown): Promise<string> {
  const lines = code.split("\n");
  const info = await module.getCompilationInfo();
  const messages = info.messages.map(
    (m) => `${name}:${m.lineNum}:${m.linePos} ${m.type}: ${m.message}\n    ${lines[m.lineNum - 1] ?? ""}`,
  );
  return `the shader ${name} did not compile\n${messages.join("\n") || String(cause)}`;
}
