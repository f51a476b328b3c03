// One turn of the demo: asks over the wire, shows the answer as it comes, and keeps its trace and timings.

import type { ChatMessage, GenerateRequest, TokenTrace } from "../../proto/api.ts";
import type { MoloraClient } from "../../proto/client.ts";
import { MoloraError } from "../../proto/errors.ts";
import { routingStatistics } from "../../router/statistics.ts";
import type { Output } from "../terminal/output.ts";
import type { Palette } from "../terminal/palette.ts";
import { dominantExpert, RoutedText } from "../terminal/routed_text.ts";
import { wrapWords } from "../terminal/wrap.ts";
import { sharesLine } from "../training/routing_report.ts";

export interface Turn {
  question: string;
  answer: string;
  promptTokens: number;
  /** One a token. */
  traces: TokenTrace[];
  /** Seconds, as the client sees them. */
  firstToken: number;
  total: number;
}

interface Screen {
  output: Output;
  palette: Palette;
  /** Width of a line. */
  columns: number;
  signal: AbortSignal;
}

/**
 * Asks the last of `messages` and shows the answer.
 *
 * @throws MoloraError `cancelled` when interrupted.
 */
export async function askTurn(
  client: MoloraClient,
  request: GenerateRequest & { messages: ChatMessage[] },
  { output, palette, columns, signal }: Screen,
): Promise<Turn> {
  const question = request.messages.at(-1)!.content;
  output.print();
  for (const [i, line] of wrapWords(question, columns - 4).entries()) {
    output.print(palette.bold(`${i === 0 ? "❯" : " "} ${line}`));
  }
  output.print();
  const routed = new RoutedText((text) => output.write(text), palette, columns - 4);
  const waiting = new Waiting(output, palette);
  const turn: Turn = { question, answer: "", promptTokens: 0, traces: [], firstToken: 0, total: 0 };
  const start = performance.now();
  const since = () => (performance.now() - start) / 1000;
  const onAccepted = ({ promptTokens }: { promptTokens: number }) => {
    turn.promptTokens = promptTokens;
    waiting.show(`reading ${promptTokens} tokens …`);
  };
  for await (const event of client.generate(request, { signal, onAccepted })) {
    if (turn.traces.length === 0) {
      waiting.clear();
      turn.firstToken = since();
    }
    if (event.type === "token") turn.traces.push(event.trace ?? []);
    else if (event.finishReason === "cancelled") throw new MoloraError("cancelled", "the demo was interrupted");
    turn.answer += event.text;
    routed.push(event.text, dominantExpert(turn.traces.at(-1) ?? []));
  }
  turn.total = since();
  routed.end();
  const rate = (turn.traces.length - 1) / (turn.total - turn.firstToken);
  const facts = `   ${turn.traces.length} tokens, ${rate.toFixed(1)} a second, the first after ${turn.firstToken.toFixed(1)} s`;
  output.print(`\n${sharesLine(routingStatistics([turn.traces]), palette)}${palette.dim(facts)}`);
  return turn;
}

/** A word on the terminal while no token has come. */
class Waiting {
  readonly #output: Output;
  readonly #palette: Palette;
  #shown = false;

  constructor(output: Output, palette: Palette) {
    this.#output = output;
    this.#palette = palette;
  }

  show(text: string): void {
    if (!this.#output.streams.stdout.isTTY) return;
    this.#output.write(this.#palette.dim(text));
    this.#shown = true;
  }

  clear(): void {
    if (this.#shown) this.#output.write("\r\u001b[K");
    this.#shown = false;
  }
}
