// Conversations to the text a model was trained to continue, by its own Jinja template (jinja/template.ts).

import { MoloraError } from "../../proto/errors.ts";
import { Template } from "./jinja/template.ts";
import type { Tokenizer } from "./tokenizer.ts";
import type { TemplateMessage } from "./tool_prompt.ts";

export interface ChatOptions {
  /** End with the header of an assistant's turn, so that the model writes that turn. */
  addGenerationPrompt: boolean;
  /** End within the last message, so that the model goes on there; no header is added then. Default: false. */
  continueFinalMessage?: boolean;
  /** JSON schemas of functions the model may call. */
  tools?: readonly Record<string, unknown>[];
  /** Further variables of the template, by name: `enable_thinking`, `documents` and what else it knows. */
  kwargs?: Readonly<Record<string, unknown>>;
  /** What `strftime_now` writes. Default: the clock. */
  now?: Date;
}

/** What a template is given by other fields of a request, and nobody sets beside them. */
const RESERVED = ["messages", "tools", "add_generation_prompt", "continue_final_message", "chat_template", "tokenize"];

/** By their source. A process has few models, and one template each. */
const compiled = new Map<string, Template>();
const KEPT = 16;

/**
 * Encode the result with `{ addBos: false }`. As in transformers, message text is not escaped: a special token spelt
 * out in it becomes that token.
 *
 * @throws MoloraError `chat_template_missing`, `chat_template_failed` (a template that does not parse, or that refuses
 * these messages, with its own words), `bad_request` for a name among `kwargs` that another field of a request gives.
 */
export function renderChat(tokenizer: Tokenizer, messages: readonly TemplateMessage[], options: ChatOptions): string {
  const { addGenerationPrompt, continueFinalMessage = false, tools = null, kwargs = {}, now } = options;
  const template = compiledTemplate(tools === null ? tokenizer.chatTemplate : tokenizer.toolTemplate);
  checkKwargs(kwargs);
  const variables = {
    messages: continueFinalMessage ? tagged(messages) : messages,
    tools,
    documents: null,
    add_generation_prompt: addGenerationPrompt && !continueFinalMessage,
    ...namedToken(tokenizer, "bos_token", tokenizer.bosId),
    ...namedToken(tokenizer, "eos_token", tokenizer.eosId),
    ...kwargs,
  };
  let text: string;
  try {
    text = template.render(variables, now);
  } catch (cause) {
    throw failed("the chat template refused these messages", cause, "Send messages in the order and roles it takes.");
  }
  return continueFinalMessage ? upToTag(text) : text;
}

/**
 * Checks that the tokenizer's templates can be rendered at all: their syntax, and the names of filters and tests.
 *
 * @throws MoloraError `chat_template_failed`
 */
export function checkTemplates({ chatTemplate, toolTemplate }: Tokenizer): void {
  for (const source of new Set([chatTemplate, toolTemplate])) if (source !== undefined) compiledTemplate(source);
}

function checkKwargs(kwargs: Readonly<Record<string, unknown>>): void {
  const reserved = Object.keys(kwargs).find((name) => RESERVED.includes(name));
  if (reserved === undefined) return;
  throw new MoloraError("bad_request", `"${reserved}" is no variable of the chat template to set`, {
    remedy: "Set it by the request's own field, where there is one.",
    details: { field: "chatTemplateKwargs" },
  });
}

/** Stands behind the text that is continued. A template that trims takes its space away, and would the text's. */
const CONTINUE_TAG = "MOLORA_CONTINUES_HERE ";

function tagged(messages: readonly TemplateMessage[]): TemplateMessage[] {
  return messages.map((message, i) =>
    i === messages.length - 1 ? { ...message, content: message.content + CONTINUE_TAG } : message,
  );
}

/** The text up to the tag, as transformers cuts it. */
function upToTag(text: string): string {
  const end = text.lastIndexOf(CONTINUE_TAG.trimEnd());
  if (end === -1) {
    throw new MoloraError("chat_template_failed", "the template leaves the last message's text out", {
      remedy: "Continue a message of a role whose text the template has in the prompt.",
    });
  }
  const kept = text.slice(0, end);
  return text.startsWith(CONTINUE_TAG, end) ? kept : kept.trimEnd();
}

function compiledTemplate(source: string | undefined): Template {
  if (source === undefined) {
    throw new MoloraError("chat_template_missing", "this model has no chat template", {
      remedy: "Send a raw prompt, or put a chat_template.jinja into the model's folder, and name the folder.",
    });
  }
  let template = compiled.get(source);
  if (template === undefined) {
    try {
      template = new Template(source);
    } catch (cause) {
      throw failed(
        "the chat template does not parse",
        cause,
        "Mend it: a chat_template.jinja in the model's folder goes before all others.",
      );
    }
    if (compiled.size >= KEPT) compiled.clear();
    compiled.set(source, template);
  }
  return template;
}

/** A token the model lacks is left undefined, as templates expect. */
function namedToken(tokenizer: Tokenizer, name: string, id: number | undefined): Record<string, string> {
  return id === undefined ? {} : { [name]: tokenizer.tokenText(id) };
}

function failed(what: string, cause: unknown, remedy: string): MoloraError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new MoloraError("chat_template_failed", `${what}: ${reason}`, { remedy, cause });
}
