// `molora generate`: one prompt, one streamed answer; with --json, ids, log-probabilities and trace too.

import { readFile } from "node:fs/promises";
import { buffer as readStream } from "node:stream/consumers";
import type { Tokenizer } from "../../engine/text/tokenizer.ts";
import type { Engine } from "../../node/index.ts";
import type { BaseExpertChoice, DoneEvent, GenerateRequest, TokenEvent, TokenLogprob } from "../../proto/api.ts";
import { MAX_LOGPROBS } from "../../proto/contract.ts";
import { MoloraError } from "../../proto/errors.ts";
import { decodeUtf8 } from "../../proto/json_text.ts";
import { routingStatistics } from "../../router/statistics.ts";
import { defineCommand } from "../command.ts";
import type { FlagValues } from "../flags/arguments.ts";
import { USE_FLAG } from "../flags/common_flags.ts";
import { integer, list, text, toggle } from "../flags/flags.ts";
import { readSampling, SAMPLING_FLAGS } from "../flags/sampling_flags.ts";
import { LOAD_FLAGS, loadEngine, routingOf, singleUse, TEMPLATE_FLAGS, templateOptions } from "../load.ts";
import type { Output } from "../terminal/output.ts";
import { Palette } from "../terminal/palette.ts";
import { dominantExpert, RoutedText } from "../terminal/routed_text.ts";
import { sharesLine } from "../training/routing_report.ts";

/** What `generate --json` prints. A value that was not asked for is null. */
export interface GenerateResult {
  /** Generated ids, with the end-of-sequence token where that ended the text. */
  ids: number[];
  /** The text of each by itself. */
  tokens: string[];
  text: string;
  finish_reason: string;
  usage: { prompt_tokens: number; completion_tokens: number };
  logprobs: NamedLogprob[] | null;
  /** Per generated token, per layer. */
  trace: { experts: string[]; gates: number[] }[][] | null;
  /** With `trace`, where the base is a mixture of experts: which of its own, by number. */
  base_experts?: BaseExpertChoice[][];
}

interface NamedLogprob {
  id: number;
  token: string;
  logprob: number;
  top: { id: number; token: string; logprob: number }[];
}

const FLAGS = {
  ...LOAD_FLAGS,
  ...TEMPLATE_FLAGS,
  ...USE_FLAG,
  prompt: text("TEXT", "The prompt: one user turn of the model's chat template"),
  promptFile: text("FILE", "The prompt from a file; - is standard input"),
  ids: text("1,2,3", "The prompt as token ids, taken as they are"),
  raw: toggle("Take the prompt as it is, without the chat template (so it is where the model has none)"),
  maxTokens: integer("N", "Most tokens to generate", { min: 1 }, 256),
  ...SAMPLING_FLAGS,
  stop: list("TEXT", "End before this text would appear"),
  ignoreEos: toggle("Keep going at the end-of-sequence token"),
  logprobs: integer("K", "Log-probability of each token and of its K likeliest alternatives", {
    min: 0,
    max: MAX_LOGPROBS,
  }),
  trace: toggle("Which experts each token had in every layer; without --json: colour the text by them"),
};

export const command = defineCommand({
  name: "generate",
  summary: "Answer one prompt",
  details: `
  molora generate --prompt "What are the symptoms of asthma?" --use default --trace
  molora generate --model llama.gguf --adapter a=PATH --use a=0.7 --prompt-file question.txt --json
`,
  flags: FLAGS,
  async run({ flags, output, signal }) {
    const spec = singleUse(flags.use);
    const prompt = await readPrompt(flags);
    const engine = await loadEngine(flags, output, templateOptions(flags));
    try {
      const request: GenerateRequest = {
        ...prompt,
        ...takenAsItIs(engine, prompt, output),
        ...routingOf(engine, spec),
        ...readSampling(flags, engine),
        maxTokens: flags.maxTokens,
        stop: flags.stop,
        ignoreEos: flags.ignoreEos,
        trace: flags.trace,
        ...(flags.logprobs === undefined ? {} : { logprobs: flags.logprobs }),
      };
      await answer(engine, request, output, signal);
    } finally {
      await engine.close();
    }
  },
});

async function readPrompt(flags: FlagValues<typeof FLAGS>): Promise<Pick<GenerateRequest, "prompt" | "ids" | "raw">> {
  const { prompt, promptFile, ids, raw } = flags;
  const given = [prompt, promptFile, ids].filter((value) => value !== undefined);
  if (given.length !== 1) {
    throw new MoloraError(
      "bad_arguments",
      given.length === 0 ? "there is no prompt" : "there is more than one prompt",
      {
        remedy: "Give one of --prompt TEXT, --prompt-file FILE and --ids 1,2,3.",
      },
    );
  }
  if (ids !== undefined) return { ids: readIds(ids) };
  return { prompt: prompt ?? (await readPromptFile(promptFile!)), raw };
}

/** A base that was never taught to converse has no template: it goes on with the prompt, and the reader is told. */
function takenAsItIs(
  { tokenizer }: Engine,
  { prompt, raw }: Pick<GenerateRequest, "prompt" | "raw">,
  output: Output,
): Pick<GenerateRequest, "raw"> {
  if (prompt === undefined || raw || tokenizer.chatTemplate !== undefined) return {};
  output.note("note: the model has no chat template; the prompt is taken as it is, as with --raw.");
  return { raw: true };
}

function readIds(list: string): number[] {
  const parts = list.split(",").map((part) => part.trim());
  const wrong = parts.find((part) => !/^\d+$/.test(part));
  if (wrong === undefined) return parts.map(Number);
  throw new MoloraError("bad_arguments", `--ids has "${wrong}", which is no token id`, {
    remedy: "Write whole numbers with commas between: --ids 1,2,3.",
  });
}

async function readPromptFile(path: string): Promise<string> {
  const bytes = path === "-" ? await readStream(process.stdin) : await readBytes(path);
  try {
    return decodeUtf8(bytes);
  } catch (cause) {
    const name = path === "-" ? "standard input" : path;
    throw new MoloraError("bad_arguments", `${name} is not UTF-8`, { remedy: "Save the prompt as UTF-8.", cause });
  }
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new MoloraError("file_not_found", `${path} cannot be read: ${(cause as Error).message}`, {
      remedy: "Check the path of --prompt-file; - is standard input.",
      cause,
    });
  }
}

/** Streams the answer to a person, or collects it for a machine. */
async function answer(engine: Engine, request: GenerateRequest, output: Output, signal: AbortSignal): Promise<void> {
  const palette = new Palette([], output.colors);
  const routed = request.trace ? new RoutedText((piece) => output.write(piece), palette) : undefined;
  const events: TokenEvent[] = [];
  let last = "base";
  try {
    for await (const event of engine.generate(request, { signal })) {
      if (event.type === "token") {
        events.push(event);
        if (event.trace !== undefined) last = dominantExpert(event.trace);
      }
      if (routed === undefined) output.write(event.text);
      else routed.push(event.text, last);
      if (event.type === "done") finish(engine.tokenizerOf(request), events, event, output);
    }
  } finally {
    // The note about an interruption belongs below the text
    if (routed === undefined) output.print();
    else routed.end();
  }
  if (routed === undefined) return;
  output.print(sharesLine(routingStatistics([events.map(({ trace }) => trace ?? [])]), palette));
}

function finish(tokenizer: Tokenizer, events: readonly TokenEvent[], done: DoneEvent, output: Output): void {
  if (done.finishReason === "cancelled") throw new MoloraError("cancelled", "generation was interrupted");
  const name = (id: number) => tokenizer.decode([id], { continuation: true });
  const named = ({ id, logprob, top }: TokenLogprob): NamedLogprob => ({
    id,
    token: name(id),
    logprob,
    top: top.map((alternative) => ({ id: alternative.id, token: name(alternative.id), logprob: alternative.logprob })),
  });
  const baseExperts = events.length > 0 && collected(events, (event) => event.baseExperts);
  const result: GenerateResult = {
    ids: events.map(({ id }) => id),
    tokens: events.map(({ id }) => name(id)),
    text: events.map(({ text }) => text).join("") + done.text,
    finish_reason: done.finishReason,
    usage: { prompt_tokens: done.usage.promptTokens, completion_tokens: done.usage.completionTokens },
    logprobs: collected(events, ({ logprob }) => logprob && named(logprob)),
    trace: collected(events, ({ trace }) => trace),
    ...(baseExperts && { base_experts: baseExperts }),
  };
  output.result(result);
}

/** What `pick` finds in every event; null where the events have none. */
function collected<T>(events: readonly TokenEvent[], pick: (event: TokenEvent) => T | undefined): T[] | null {
  const values = events.map(pick).filter((value) => value !== undefined);
  return values.length === events.length ? values : null;
}
