// `molora demo`: one conversation across four domains over a real server and client, each token in its expert's colour.
// demo_turn.ts asks one turn; cli/training/routing_report.ts draws what routing did.

import type { Engine } from "../../node/index.ts";
import type { ChatMessage } from "../../proto/api.ts";
import { MoloraClient } from "../../proto/client.ts";
import { MoloraError } from "../../proto/errors.ts";
import { routingStatistics } from "../../router/statistics.ts";
import { startServer } from "../../server/server.ts";
import { defineCommand } from "../command.ts";
import type { FlagValues } from "../flags/arguments.ts";
import { choice, integer, list } from "../flags/flags.ts";
import { LOAD_FLAGS, loadEngine } from "../load.ts";
import type { Output } from "../terminal/output.ts";
import { Palette } from "../terminal/palette.ts";
import { mapRuler, routingMap, shareHead, shareRows } from "../training/routing_report.ts";
import { askTurn, type Turn } from "./demo_turn.ts";

/** One question of each domain: a word problem, a table to query, a question about health, a small function. */
const QUESTIONS = [
  "Tom has 12 apples. He buys 5 more apples and then gives 3 apples to his friend. How many apples does Tom have now?",
  "Write a SQL query: What is the population of the city named Paris?\nTable columns: city, country, population, year",
  "What are the symptoms of asthma?",
  "Write a Python function to add two numbers.",
];

const NAMES: Record<string, string> = {
  smollm2: "SmolLM2-135M-Instruct (Q4_1)",
  nano: "nano (7 M parameters, embedded: too small to make sense)",
};

const FLAGS = {
  ...LOAD_FLAGS,
  ask: list("TEXT", "Ask this in place of the four questions"),
  maxTokens: integer("N", "Most tokens of one answer", { min: 1 }, 64),
  color: choice(["auto", "always", "never"], "Colours; without them the text carries marks", "auto"),
};

export const command = defineCommand({
  name: "demo",
  summary: "A conversation across domains, each token in the colour of the adapter that served it",
  details: `
Its model is SmolLM2-135M-Instruct (98 MB, fetched once) with four adapters and their mixture; where it cannot be had, or
with --model nano, the embedded nano. Your own: --model DIR|FILE.gguf --mixture NAME=DIR.
`,
  flags: FLAGS,
  async run({ flags, output, signal }) {
    const { engine, model } = await loadModel(flags, output);
    const server = await startServer(engine);
    try {
      const client = await MoloraClient.connect(server.url);
      const mixture = theMixture(engine);
      const palette = new Palette(["base", ...mixture.experts], wantsColors(flags.color, output));
      const columns = output.streams.stdout.columns ?? 100;
      const say = (line = "") => output.print(line);
      title(say, palette, { model, url: server.url, experts: mixture.experts });
      const messages: ChatMessage[] = [];
      const turns: Turn[] = [];
      for (const question of flags.ask.length > 0 ? flags.ask : QUESTIONS) {
        messages.push({ role: "user", content: question });
        const request = { messages, mixture: mixture.name, maxTokens: flags.maxTokens, trace: true };
        const turn = await askTurn(client, request, { output, palette, columns, signal });
        messages.push({ role: "assistant", content: turn.answer });
        turns.push(turn);
      }
      await client.close();
      report(say, palette, turns, mixture.experts, columns);
      output.result({ model, url: server.url, turns: turns.map(summary), ...routing(turns, mixture.experts) });
    } finally {
      await server.close();
      await engine.close();
    }
  },
});

/** Loads the model that was asked for; where none was, SmolLM2, or nano when SmolLM2 cannot be fetched. */
async function loadModel(flags: FlagValues<typeof FLAGS>, output: Output): Promise<{ engine: Engine; model: string }> {
  const model = flags.model ?? "smollm2";
  if (model === "nano") sayHowSmallNanoIs(output);
  try {
    return { engine: await loadEngine({ ...flags, model }, output), model };
  } catch (thrown) {
    const { code, message } = MoloraError.from(thrown);
    const unreachable = code === "download_failed" || code === "checksum_mismatch";
    if (flags.model !== undefined || !unreachable) throw thrown;
    output.note(`${message}\nSmolLM2 cannot be had here: the demo goes on with nano.`);
    sayHowSmallNanoIs(output);
    return { engine: await loadEngine({ ...flags, model: "nano" }, output), model: "nano" };
  }
}

function sayHowSmallNanoIs(output: Output): void {
  output.note("nano has 7 million parameters. It routes as a large model would, but what it writes makes no sense.");
}

function theMixture(engine: Engine): { name: string; experts: string[] } {
  const [mixture] = engine.listMixtures();
  if (mixture !== undefined) return mixture;
  throw new MoloraError("bad_arguments", "this model comes without a mixture: there is nothing to route", {
    remedy: "Give one: --mixture NAME=DIR (make-router and train-router make them).",
  });
}

function wantsColors(color: "auto" | "always" | "never", output: Output): boolean {
  return color === "always" || (color === "auto" && output.colors);
}

type Say = (line?: string) => void;

function title(say: Say, palette: Palette, { model, url, experts }: { model: string; url: string; experts: string[] }) {
  say();
  say(
    `${palette.bold("molora")}  ${palette.dim("one base model, many adapters: a router picks them per token and layer")}`,
  );
  say(palette.dim(`${NAMES[model] ?? model}, served at ${url}`));
  say();
  const legend = experts.map((name) => palette.paint(name, palette.colors ? `■ ${name}` : `[${name}]`)).join("  ");
  say(`${legend}   ${palette.dim("= the adapter most layers chose for a token")}`);
}

function routing(turns: readonly Turn[], experts: readonly string[]) {
  return {
    routing: routingStatistics(
      turns.map(({ traces }) => traces),
      experts,
    ),
  };
}

function report(say: Say, palette: Palette, turns: readonly Turn[], experts: readonly string[], columns: number): void {
  const { routing: statistics } = routing(turns, experts);
  const lengths = turns.map(({ traces }) => traces.length);
  const map = routingMap(
    turns.flatMap(({ traces }) => traces),
    palette,
    columns,
  );
  if (map.length > 0) {
    const title = `a column a token, a row two of ${statistics.layerShare.length} layers; by turn:`;
    say(`\n${palette.bold("Every choice")}  ${palette.dim(title)}`);
    say(palette.dim(mapRuler(lengths, columns)));
    for (const line of map) say(line);
  }
  say();
  say(palette.bold(shareHead(statistics)));
  for (const line of shareRows(statistics, palette)) say(line);
  say();
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const firsts = turns.map(({ firstToken }) => firstToken);
  const decoding = turns.reduce((sum, { total, firstToken }) => sum + total - firstToken, 0);
  const rate = (tokens - turns.length) / decoding;
  say(
    palette.dim(
      `${tokens} tokens, ${rate.toFixed(1)} a second; first token after ${seconds(Math.min(...firsts))} to ` +
        `${seconds(Math.max(...firsts))}`,
    ),
  );
}

function summary({ question, answer, promptTokens, traces, firstToken, total }: Turn) {
  const tokens = traces.length;
  return { question, answer, prompt_tokens: promptTokens, tokens, first_token_s: firstToken, total_s: total };
}

function seconds(amount: number): string {
  return `${amount.toFixed(1)} s`;
}
