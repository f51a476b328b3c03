// `molora chat`: a conversation at the terminal, or line by line from a pipe.

import { createInterface, type Interface } from "node:readline";
import type { Engine } from "../../node/index.ts";
import type { ChatMessage, TokenTrace } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { routingStatistics } from "../../router/statistics.ts";
import { defineCommand } from "../command.ts";
import type { FlagValues } from "../flags/arguments.ts";
import { USE_FLAG } from "../flags/common_flags.ts";
import { integer, text, toggle } from "../flags/flags.ts";
import { readSampling, SAMPLING_FLAGS } from "../flags/sampling_flags.ts";
import { LOAD_FLAGS, loadEngine, routingOf, singleUse, TEMPLATE_FLAGS, templateOptions } from "../load.ts";
import type { Output } from "../terminal/output.ts";
import { Palette } from "../terminal/palette.ts";
import { dominantExpert, RoutedText } from "../terminal/routed_text.ts";
import { sharesLine } from "../training/routing_report.ts";

const FLAGS = {
  ...LOAD_FLAGS,
  ...TEMPLATE_FLAGS,
  ...USE_FLAG,
  ...SAMPLING_FLAGS,
  system: text("TEXT", "A system message before the conversation"),
  maxTokens: integer("N", "Most tokens of one answer", { min: 1 }, 512),
  trace: toggle("Colour every token by the expert that most layers chose"),
};

const HELP = `/use SPEC   go on with base, an adapter, a stack (a=0.7,b=0.3) or a mixture
/reset      forget the conversation
/quit       leave (so does Ctrl-D); Ctrl-C ends an answer`;

export const command = defineCommand({
  name: "chat",
  summary: "Talk to it",
  details: `Without --use it is the mixture, where one is loaded.\n\nIn the chat:\n${HELP}\n\nWith --json, one object an answer.`,
  flags: FLAGS,
  async run({ flags, output }) {
    const engine = await loadEngine(flags, output, templateOptions(flags));
    try {
      const mixtures = engine.listMixtures();
      const use = flags.use.length === 0 && mixtures.length === 1 ? mixtures[0].name : singleUse(flags.use);
      await new Chat(engine, flags, output, use).run();
    } finally {
      await engine.close();
    }
  },
});

class Chat {
  readonly #engine: Engine;
  readonly #flags: FlagValues<typeof FLAGS>;
  readonly #output: Output;
  readonly #palette: Palette;
  readonly #lines: Interface;
  #use: string;
  #messages: ChatMessage[] = [];
  /** Aborts the answer that is being written; undefined while there is none. */
  #answering: AbortController | undefined;

  constructor(engine: Engine, flags: FlagValues<typeof FLAGS>, output: Output, use: string) {
    routingOf(engine, use);
    this.#engine = engine;
    this.#flags = flags;
    this.#output = output;
    this.#use = use;
    this.#palette = new Palette(["base", ...engine.listAdapters().map(({ name }) => name)], output.colors);
    const terminal = !output.json && process.stdin.isTTY === true;
    this.#lines = createInterface({ input: process.stdin, output: process.stderr, terminal, prompt: this.#prompt() });
  }

  async run(): Promise<void> {
    const lines = this.#lines;
    const interrupt = () => {
      if (this.#answering === undefined) lines.close();
      else this.#answering.abort();
    };
    // A terminal's Ctrl-C comes through readline, a pipe's through the process
    lines.on("SIGINT", interrupt);
    process.on("SIGINT", interrupt);
    if (lines.terminal) this.#output.note(`${this.#flags.model ?? "nano"}, ${this.#use}. /help says what one can do.`);
    this.#ask();
    try {
      for await (const line of lines) {
        if (/^\/(quit|exit)\s*$/.test(line)) break;
        await this.#take(line.trim());
        this.#ask();
      }
    } finally {
      process.off("SIGINT", interrupt);
      lines.close();
    }
  }

  #prompt(): string {
    return this.#palette.bold(`${this.#use}> `);
  }

  #ask(): void {
    if (!this.#lines.terminal) return;
    this.#lines.setPrompt(this.#prompt());
    this.#lines.prompt();
  }

  /** Runs a command or answers a message. An error is printed, and the chat goes on as if the line had not been typed. */
  async #take(line: string): Promise<void> {
    try {
      if (line.startsWith("/")) this.#obey(line);
      else if (line !== "") await this.#answer(line);
    } catch (thrown) {
      this.#output.fail(MoloraError.from(thrown));
    }
  }

  #obey(line: string): void {
    const [word, ...rest] = line.split(/\s+/);
    if (word === "/use" && rest.length === 1) {
      routingOf(this.#engine, rest[0]);
      this.#use = rest[0];
    } else if (word === "/reset") {
      this.#messages = [];
    } else if (word === "/help") {
      this.#output.note(HELP);
    } else {
      throw new MoloraError("bad_arguments", `${line} is no command of the chat`, { remedy: HELP });
    }
  }

  async #answer(content: string): Promise<void> {
    const { system, maxTokens, trace } = this.#flags;
    const asked: ChatMessage[] = [...this.#messages, { role: "user", content }];
    const messages = system === undefined ? asked : [{ role: "system", content: system }, ...asked];
    const controller = new AbortController();
    this.#answering = controller;
    const routed = trace ? new RoutedText((piece) => this.#output.write(piece), this.#palette) : undefined;
    const traces: TokenTrace[] = [];
    let answer = "";
    try {
      const request = {
        messages,
        ...routingOf(this.#engine, this.#use),
        ...readSampling(this.#flags, this.#engine),
        maxTokens,
        trace,
      };
      for await (const event of this.#engine.generate(request, { signal: controller.signal })) {
        if (event.type === "token" && event.trace !== undefined) traces.push(event.trace);
        answer += event.text;
        if (routed === undefined) this.#output.write(event.text);
        else routed.push(event.text, dominantExpert(traces.at(-1) ?? []));
        if (event.type === "done") this.#finish(answer, event.finishReason);
      }
    } finally {
      this.#answering = undefined;
      if (routed === undefined) this.#output.print();
      else routed.end();
    }
    if (routed !== undefined) this.#output.print(sharesLine(routingStatistics([traces]), this.#palette));
    // An answer that was interrupted stays part of the conversation
    this.#messages = [...asked, { role: "assistant", content: answer }];
  }

  #finish(text: string, finishReason: string): void {
    this.#output.result({ use: this.#use, text, finish_reason: finishReason });
  }
}
