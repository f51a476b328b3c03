// A conversation as text to encode, in which only the template's own special tokens are control tokens: what messages,
// calls and tools spell out stays text.

import { type ChatOptions, renderChat } from "./chat_template.ts";
import { freeCharacter, guardAgainst } from "./guard.ts";
import type { EncodeOptions, Tokenizer } from "./tokenizer.ts";
import type { TemplateMessage } from "./tool_prompt.ts";

/** A rendered conversation, and how it becomes ids. */
export interface ChatText {
  /** As transformers renders it. */
  text: string;
  /** What to encode, with `encoding`: the same, with marks in special tokens that a message spells out. */
  marked: string;
  encoding: EncodeOptions;
}

/**
 * Semantics: the ids of `marked` are those of `text`, as transformers encodes it, wherever no message spells out a
 * special token or a part of one that its surroundings complete.
 *
 * @throws MoloraError `chat_template_missing`, `chat_template_failed`: see renderChat.
 */
export function chatText(tokenizer: Tokenizer, messages: readonly TemplateMessage[], options: ChatOptions): ChatText {
  const text = renderChat(tokenizer, messages, options);
  const { tools, kwargs } = options;
  const said: Said = { messages, ...(tools && { tools }), ...(kwargs && { kwargs }) };
  const guard = guardAgainst(tokenizer.controlTexts);
  const mark = freeCharacter([...stringsOf(said), ...tokenizer.controlTexts, templates(tokenizer)]);
  const render = ({ messages: turns, ...more }: Said) => renderChat(tokenizer, turns, { ...options, ...more });
  const encoding = { addBos: false, mark };
  let marks = false;
  const guarded = mapStrings(said, (string, isRole) => {
    const result = guard.guard(string, mark, isRole ? "role" : "content");
    marks ||= result !== string;
    return result;
  });
  if (!marks) return { text, marked: text, encoding };
  const marked = attempt(() => render(guarded));
  if (marked?.replaceAll(mark, "") === text) return { text, marked, encoding };
  // The template looked into a text and took a mark for a difference: marks in whole special tokens alone, then, which
  // no template has reason to look for.
  return { text, marked: render(mapStrings(said, (string) => guard.guardWhole(string, mark))), encoding };
}

function templates({ chatTemplate = "", toolTemplate = "" }: Tokenizer): string {
  return chatTemplate + toolTemplate;
}

function attempt(render: () => string): string | undefined {
  try {
    return render();
  } catch {
    return undefined;
  }
}

/** All that people and tools can say in a conversation. */
interface Said {
  messages: readonly TemplateMessage[];
  tools?: readonly Record<string, unknown>[];
  kwargs?: Readonly<Record<string, unknown>>;
}

function stringsOf(said: Said): string[] {
  const strings: string[] = [];
  mapStrings(said, (string) => {
    strings.push(string);
    return string;
  });
  return strings;
}

/** A copy with every string replaced: roles, contents, names, all of calls and tools, their keys included, and variables. */
function mapStrings({ messages, tools, kwargs }: Said, map: (text: string, isRole: boolean) => string): Said {
  const text = (value: string) => map(value, false);
  const json = (value: unknown): unknown => {
    if (typeof value === "string") return text(value);
    if (Array.isArray(value)) return value.map(json);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [text(key), json(item)]));
  };
  const message = ({ role, content, name, tool_call_id, tool_calls }: TemplateMessage): TemplateMessage => ({
    role: map(role, true),
    content: text(content),
    ...(name === undefined ? {} : { name: text(name) }),
    ...(tool_call_id === undefined ? {} : { tool_call_id: text(tool_call_id) }),
    ...(tool_calls === undefined
      ? {}
      : {
          tool_calls: tool_calls.map((call) => ({
            id: text(call.id),
            type: call.type,
            function: { name: text(call.function.name), arguments: json(call.function.arguments) },
          })),
        }),
  });
  // Outside, a tool is in our own words ("type", "function", "name"), which templates ask for.
  const described = (value: unknown): unknown => (isPlain(value) ? mapValues(value, json) : value);
  return {
    messages: messages.map(message),
    ...(tools === undefined ? {} : { tools: tools.map((tool) => mapValues(tool, described)) }),
    ...(kwargs === undefined ? {} : { kwargs: mapValues(kwargs, (value) => variable(value, map)) }),
  };
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A variable's value. Keys are words that a template looks for, and may be printed all the same. */
function variable(value: unknown, map: (text: string, isRole: boolean) => string): unknown {
  if (typeof value === "string") return map(value, false);
  if (Array.isArray(value)) return value.map((item) => variable(item, map));
  if (!isPlain(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [map(key, true), variable(item, map)]));
}

function mapValues(
  object: Readonly<Record<string, unknown>>,
  map: (value: unknown) => unknown,
): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, map(value)]));
}
