// Conversations to the text a model was trained to continue, by its own Jinja template.
// The Jinja library brings raise_exception, strftime_now, tojson and range.

import { Template } from "@huggingface/jinja";
import { MoloraError } from "../../proto/errors.ts";
import type { Tokenizer } from "./tokenizer.ts";
import type { TemplateMessage } from "./tool_prompt.ts";

export interface ChatOptions {
  /** End with the header of an assistant's turn, so that the model writes that turn. */
  addGenerationPrompt: boolean;
  /** End within the last message, so that the model goes on there; no header is added then. Default: false. */
  continueFinalMessage?: boolean;
  /** JSON schemas of functions the model may call. */
  tools?: readonly Record<string, unknown>[];
}

/** By their source. A process has few models, and one template each. */
const compiled = new Map<string, Template>();
const KEPT = 16;

/**
 * Encode the result with `{ addBos: false }`. As in transformers, message text is not escaped: a special token spelt
 * out in it becomes that token.
 *
 * @throws MoloraError `chat_template_missing`, `chat_template_failed` (a template that does not parse, or that refuses
 * these messages, with its own words).
 */
export function renderChat(tokenizer: Tokenizer, messages: readonly TemplateMessage[], options: ChatOptions): string {
  const { addGenerationPrompt, continueFinalMessage = false, tools = null } = options;
  const template = compiledTemplate(tools === null ? tokenizer.chatTemplate : tokenizer.toolTemplate);
  let text: string;
  try {
    text = template.render({
      messages: continueFinalMessage ? tagged(messages) : messages,
      tools,
      documents: null,
      add_generation_prompt: addGenerationPrompt && !continueFinalMessage,
      ...namedToken(tokenizer, "bos_token", tokenizer.bosId),
      ...namedToken(tokenizer, "eos_token", tokenizer.eosId),
    });
  } catch (cause) {
    throw failed("the chat template refused these messages", cause, "Send messages in the order and roles it takes.");
  }
  return continueFinalMessage ? upToTag(text) : text;
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
      remedy: "Send a raw prompt, or put a chat_template.jinja beside the model.",
    });
  }
  let template = compiled.get(source);
  if (template === undefined) {
    try {
      template = new Template(source);
    } catch (cause) {
      throw failed("the chat template does not parse", cause, "Send a raw prompt, or mend the template.");
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
