// `molora bench`: how fast the loaded model is on this machine, in about a minute.

import { setMaxListeners } from "node:events";
import { MoloraError } from "../../proto/errors.ts";
import { type Figures, measure } from "../bench/measure.ts";
import { defineCommand } from "../command.ts";
import { integer } from "../flags/flags.ts";
import { LOAD_FLAGS, loadEngine } from "../load.ts";
import { formatBytes, Progress } from "../terminal/progress.ts";
import { table } from "../terminal/table.ts";

/** What `bench --json` prints: times in milliseconds, sizes in bytes. */
export interface BenchReport extends Figures {
  model: string;
  device: { kind: "gpu" | "cpu"; description: string };
  node: string;
  prompt_tokens: number;
  tokens: number;
  rounds: number;
  load_ms: number;
  /** Of this process, after loading and at the end; and what is allocated on the device, used or not. */
  memory: { resident_after_load: number; resident: number; device: number };
}

/** Requests that run together. */
const BATCHES = [8, 32];

export const command = defineCommand({
  name: "bench",
  summary: "How fast the loaded model is here: prefill, decode, adapters and mixtures against the base, batches",
  details: `
Each round runs the base, the first adapter and the first mixture in turns, then ${BATCHES.join(" and ")} requests at once
that take turns over all loaded adapters. The first round warms up; figures are medians of the others. Other work on the
machine is in them. A larger model takes longer: fewer --rounds or --tokens make up for it.

  molora bench --model smollm2
  molora bench --model base.gguf --adapter math=adapters/math --adapter sql=adapters/sql --json
`,
  flags: {
    ...LOAD_FLAGS,
    prompt: integer("N", "Tokens of a prompt", { min: 1 }, 256),
    tokens: integer("N", "Tokens that each request generates", { min: 2 }, 32),
    rounds: integer("N", "Rounds that count", { min: 1 }, 3),
  },
  async run({ flags, output, signal }) {
    const begun = performance.now();
    const engine = await loadEngine(flags, output);
    try {
      const loadMs = performance.now() - begun;
      const afterLoad = process.memoryUsage().rss;
      const { prompt: promptTokens, tokens, rounds } = flags;
      if (promptTokens + tokens > engine.contextLength) throw tooLong(promptTokens + tokens, engine.contextLength);
      const progress = new Progress("measuring", (runs) => `${runs.toFixed(0)} runs`, output.streams.stderr);
      const plan = {
        promptTokens,
        tokens,
        rounds,
        vocabSize: engine.config.vocabSize,
        adapters: engine.listAdapters().map(({ name }) => name),
        mixtures: engine.listMixtures().map(({ name }) => name),
        batches: BATCHES,
      };
      // Every request of a batch listens to it.
      setMaxListeners(2 * Math.max(...BATCHES), signal);
      const onRun = (done: number, total: number) => progress.update(done, total);
      const figures = await measure(engine, plan, { signal, onRun }).finally(() => progress.finish());
      const report: BenchReport = {
        model: engine.model,
        device: engine.device,
        node: process.version,
        prompt_tokens: promptTokens,
        tokens,
        rounds,
        load_ms: loadMs,
        ...figures,
        memory: {
          resident_after_load: afterLoad,
          resident: process.memoryUsage().rss,
          device: engine.deviceBytes,
        },
      };
      output.print(shown(report));
      output.result(report);
    } finally {
      await engine.close();
    }
  },
});

function tooLong(tokens: number, context: number): MoloraError {
  return new MoloraError(
    "bad_arguments",
    `--prompt and --tokens come to ${tokens} tokens, the context holds ${context}`,
    {
      remedy: "Give a shorter --prompt, or raise --context where the model allows.",
    },
  );
}

function shown(report: BenchReport): string {
  const { model, device, node, prompt_tokens, tokens, rounds, load_ms, first_token, uses, batches, memory } = report;
  const alone = uses.map((use) => [
    use.kind === "base" ? "base" : `${use.kind} ${use.use}`,
    use.prefill_tokens_per_second.toFixed(0),
    use.decode_tokens_per_second.toFixed(1),
    use.prefill_over_base.toFixed(2),
    use.decode_over_base.toFixed(2),
  ]);
  const together = batches.map((batch) => [
    `${batch.requests} requests, ${batch.adapters === 0 ? "base" : `${batch.adapters} adapters`}`,
    batch.decode_tokens_per_second.toFixed(0),
    batch.over_one_at_a_time.toFixed(2),
  ]);
  return [
    `${model} on ${device.kind === "cpu" ? "the CPU" : "the GPU"}: ${device.description}, Node ${node}`,
    `prompts of ${prompt_tokens} tokens, ${tokens} generated, medians of ${rounds} round${rounds === 1 ? "" : "s"}`,
    "",
    table(["one request", "prefill tok/s", "decode tok/s", "prefill time ÷ base", "step time ÷ base"], alone),
    "",
    table(["together", "decode tok/s", "÷ one at a time"], together),
    "",
    `first token: ${first_token.first_ms.toFixed(0)} ms after loading, ${first_token.later_ms.toFixed(0)} ms later on ` +
      `(÷ ${first_token.first_over_later.toFixed(2)})`,
    `loading: ${(load_ms / 1000).toFixed(1)} s; memory: ${formatBytes(memory.resident_after_load)} resident after it, ` +
      `${formatBytes(memory.resident)} at the end; ${formatBytes(memory.device)} set aside for the device`,
  ].join("\n");
}
