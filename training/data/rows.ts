// Reads one line of training or evaluation data as a row: a text, a conversation, or texts of several domains.

import { Fields } from "../../files/fields.ts";
import type { ChatMessage } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { hasLoneSurrogate, parseJson } from "../../proto/json_text.ts";

/** A turn; `domain` labels it, for reports and for routers to learn from. */
export interface DomainMessage extends ChatMessage {
  domain?: string;
}

/** A piece of a text. */
export interface Segment {
  text: string;
  domain?: string;
}

/** One line of data. `where` names it in error messages ("valid.jsonl line 3"). */
export type Row = { where: string; domain?: string } & (
  | { kind: "text"; text: string }
  /** Also `{"prompt", "completion"}`: one turn of the user, one of the assistant. */
  | { kind: "chat"; messages: DomainMessage[] }
  | { kind: "segments"; segments: Segment[] }
);

const SHAPES = `{"text"}, {"prompt", "completion"}, {"messages"} or {"segments"}`;
const SHAPE_FIELDS = ["text", "prompt", "messages", "segments"];

/**
 * Reads one line: `{"text"}`, `{"prompt", "completion"}`, `{"messages": [{"role", "content"}…]}` or
 * `{"segments": [{"domain", "text"}…]}`, each with `"domain"` where it has one. Other fields are left alone: data often
 * carries ids and sources.
 *
 * @throws MoloraError `data_invalid`, naming `where` and the field.
 */
export function parseRow(json: string, where: string): Row {
  const fields = parseObject(json, where);
  const shapes = SHAPE_FIELDS.filter((name) => fields.has(name));
  if (shapes.length !== 1) {
    const found = shapes.length === 0 ? "none of them" : shapes.map((name) => `"${name}"`).join(" and ");
    throw new MoloraError("data_invalid", `${where}: a row is one of ${SHAPES}; this one has ${found}`, {
      remedy: "Mend the line, or take it out.",
      details: { fields: fields.names() },
    });
  }
  const common = { where, ...domainOf(fields) };
  switch (shapes[0]) {
    case "text":
      return { ...common, kind: "text", text: filled(fields, "text") };
    case "prompt":
      return { ...common, kind: "chat", messages: promptAndCompletion(fields) };
    case "messages":
      return { ...common, kind: "chat", messages: conversation(fields) };
    default:
      return { ...common, kind: "segments", segments: someObjects(fields, "segments").map(readSegment) };
  }
}

function parseObject(json: string, where: string): Fields {
  let value: unknown;
  try {
    value = parseJson(json);
  } catch (cause) {
    throw new MoloraError("data_invalid", `${where} is not JSON: ${(cause as Error).message}`, {
      remedy: "Each line is one JSON object of its own.",
      cause,
    });
  }
  if (hasLoneSurrogate(json, value)) {
    throw new MoloraError("data_invalid", `${where} holds half a surrogate pair, which is no character`, {
      remedy: "Mend the escape: a character above U+FFFF is two of them.",
    });
  }
  return new Fields(value, where, "data_invalid");
}

function promptAndCompletion(fields: Fields): DomainMessage[] {
  return [
    { role: "user", content: fields.string("prompt") },
    { role: "assistant", content: filled(fields, "completion") },
  ];
}

function conversation(fields: Fields): DomainMessage[] {
  const messages = someObjects(fields, "messages").map((message) => ({
    role: filled(message, "role"),
    content: message.string("content"),
    ...domainOf(message),
  }));
  if (!messages.some(({ role }) => role === "assistant")) {
    throw new MoloraError("data_invalid", `${fields.where}: no message has the role "assistant": nothing would count`, {
      remedy: "Add the answer, or give the whole as a text.",
    });
  }
  return messages;
}

function readSegment(segment: Fields): Segment {
  return { text: filled(segment, "text"), ...domainOf(segment) };
}

function someObjects(fields: Fields, name: string): Fields[] {
  const objects = fields.objects(name);
  return objects.length > 0 ? objects : fields.fail(name, "a list of at least one");
}

/** A string that is not empty. */
function filled(fields: Fields, name: string): string {
  return fields.string(name) || fields.fail(name, "a string that is not empty");
}

function domainOf(fields: Fields): { domain?: string } {
  return fields.has("domain") ? { domain: filled(fields, "domain") } : {};
}
