// An engine that follows a script: each request's prompt says how many tokens of what size it gets, and how it ends.
// It stands in where sockets are tested, and records what it was asked.

import type { AdapterReport, DoneEvent, GenerateOptions, GenerateRequest, GenerationEvent } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { EnginePort } from "../../server/port.ts";

const GENERATIONS: DoneEvent["generations"] = [{ kind: "base", name: "scripted", hash: "00" }];

/** `{"tokens": 3}`; `size`: characters a token; `hang`: after the tokens, wait to be cancelled; `fail`: then throw. */
export interface Script {
  tokens: number;
  size?: number;
  hang?: boolean;
  fail?: boolean;
}

export const script = (steps: Script): GenerateRequest => ({ prompt: JSON.stringify(steps), trace: true });

export class ScriptedEngine implements EnginePort {
  /** Tokens pulled so far, by prompt. */
  readonly pulled = new Map<string, number>();
  /** Prompts of requests that were cancelled, in order. */
  readonly cancelled: string[] = [];
  running = 0;
  readonly loaded = new Map<string, string>();

  async *generate(request: GenerateRequest, options: GenerateOptions = {}): AsyncGenerator<GenerationEvent> {
    const prompt = request.prompt ?? "";
    if (request.mixture === "nowhere")
      throw new MoloraError("unknown_mixture", "no such mixture", { remedy: "Load it." });
    const { tokens, size = 4, hang = false, fail = false }: Script = JSON.parse(prompt);
    options.onAccepted?.({ promptTokens: prompt.length, generations: GENERATIONS, experts: ["base", "math"] });
    this.running++;
    let index = 0;
    try {
      for (; index < tokens && !options.signal?.aborted; index++) {
        this.pulled.set(prompt, index + 1);
        await new Promise(setImmediate);
        const trace = [{ experts: [index % 2 === 0 ? "base" : "math"], gates: [1] }];
        yield { type: "token", index, id: index, text: "x".repeat(size), trace };
      }
      if (fail) throw new Error("the script failed");
      if (hang && !options.signal?.aborted) await aborted(options.signal);
      if (options.signal?.aborted) this.cancelled.push(prompt);
      yield this.#done(prompt, index, options.signal?.aborted === true);
    } finally {
      this.running--;
    }
  }

  #done(prompt: string, tokens: number, wasCancelled: boolean): DoneEvent {
    return {
      type: "done",
      finishReason: wasCancelled ? "cancelled" : "length",
      text: "",
      usage: { promptTokens: prompt.length, completionTokens: tokens },
      timings: { queued: 0, firstToken: 0, total: 0 },
      generations: GENERATIONS,
    };
  }

  listAdapters() {
    return [...this.loaded.keys()].map(report);
  }

  async loadAdapter(name: string, path: string) {
    this.loaded.set(name, path);
    return report(name);
  }

  async unloadAdapter(name: string) {
    if (!this.loaded.delete(name)) throw new MoloraError("unknown_adapter", `no adapter "${name}"`);
  }

  listMixtures() {
    return [{ name: "default", hash: "11", router: "mlp", experts: ["base", "math"], bytes: 10 }];
  }

  async loadMixture(name: string, path: string) {
    this.loaded.set(name, path);
    return { name, hash: "22", router: "mlp", experts: ["base"], bytes: 10 };
  }

  async unloadMixture(name: string) {
    this.loaded.delete(name);
  }

  async findName() {
    return undefined;
  }

  nameOf(text: string) {
    return text;
  }

  asked() {
    return { places: [], againMs: 0 };
  }

  nameReport() {
    return undefined;
  }

  listNames() {
    return [];
  }

  tiers() {
    const nothing = { names: 0, bytes: 0, evictions: 0 };
    return { device: nothing, host: nothing, loads: { waiting: 0, begun: 0, failed: 0, seconds: 0 } };
  }

  async loadFiles(name: string) {
    return report(name);
  }

  stats() {
    const counts = {
      steps: 1,
      promptTokens: 2,
      generatedTokens: 3,
      preemptions: 0,
      pagesTotal: 8,
      pagesFree: 7,
      evictions: 0,
    };
    return { model: "scripted", running: this.running, waiting: 0, ...counts, adapters: [], mixtures: [] };
  }
}

function report(name: string): AdapterReport {
  return { name, hash: "33", matched: ["layers.0.q_proj"], unmatched: [], ranks: [8], scales: [2], bytes: 4096 };
}

function aborted(signal: GenerateOptions["signal"]): Promise<void> {
  return new Promise((resolve) => signal?.addEventListener("abort", () => resolve()));
}
