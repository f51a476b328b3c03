// The body of `/v1/responses` as a request to the engine, and what of it the response object repeats.

import type { Fields } from "../../../files/fields.ts";
import type { ChatMessage, GenerateRequest, ResponseFormat, Tool, ToolChoice } from "../../../proto/api.ts";
import { MoloraError } from "../../../proto/errors.ts";
import {
  checkRequest,
  formatBeside,
  openBody,
  readExtension,
  readSettings,
  type ServedModel,
} from "../request_fields.ts";
import type { UnknownFields } from "../unknown_fields.ts";
import { readInput } from "./items.ts";
import type { Echoed } from "./reply.ts";
import type { ResponseStore } from "./store.ts";

const OWN = [
  "input",
  "instructions",
  "max_output_tokens",
  "tools",
  "tool_choice",
  "text",
  "previous_response_id",
  "store",
  "metadata",
  "include",
  "top_logprobs",
  "truncation",
  "background",
  "conversation",
  "prompt",
  "stop",
];
const LOGPROBS = "message.output_text.logprobs";

export interface ResponsesRequest {
  stream: boolean;
  request: GenerateRequest;
  echoed: Echoed;
  /** Turns before the answer, without instructions. */
  conversation: ChatMessage[];
}

/** @throws MoloraError `bad_request`, or what resolving throws for the model's name. */
export function readResponses(
  raw: unknown,
  served: ServedModel,
  store: ResponseStore,
  unknown: UnknownFields,
): ResponsesRequest {
  const body = openBody(raw, OWN, unknown);
  const model = body.string("model");
  refuseStateful(body, unknown);
  const previous = readPrevious(body, store);
  const input = readInput(body, unknown, (id) => store.item(id));
  const conversation = [...previous, ...input];
  if (conversation.length === 0) body.fail("input", "a text or a list of items");
  const instructions = body.has("instructions") ? body.string("instructions") : null;
  const settings = readSettings(body, served);
  const tools = body.has("tools") ? readTools(body, unknown) : [];
  const choice = readToolChoice(body, tools);
  const text = body.has("text") ? body.object("text") : undefined;
  if (text !== undefined) unknown.check(text, ["format"], "text");
  const logprobs = readLogprobs(body, unknown);
  const request = checkRequest(
    {
      ...served.resolve(model),
      ...settings,
      ...readExtension(body),
      messages: instructions === null ? conversation : instructed(instructions, conversation),
      maxTokens: body.raw("max_output_tokens"),
      logprobs,
      tools: choice.tools.length > 0 ? choice.tools : undefined,
      toolChoice: choice.toolChoice,
      responseFormat: formatBeside(choice.toolChoice, text && readFormat(text, unknown)),
    },
    { maxTokens: "max_output_tokens", logprobs: "top_logprobs", toolChoice: "tool_choice", messages: "input" },
  );
  const echoed: Echoed = {
    model,
    instructions,
    max_output_tokens: request.maxTokens ?? null,
    metadata: body.raw("metadata") ?? {},
    parallel_tool_calls: true,
    previous_response_id: body.has("previous_response_id") ? body.string("previous_response_id") : null,
    store: !body.has("store") || body.boolean("store"),
    temperature: settings.temperature,
    text: { format: { type: "text" }, ...(body.raw("text") as object | undefined) },
    tool_choice: body.raw("tool_choice") ?? "auto",
    tools: body.has("tools") ? body.array("tools") : [],
    top_logprobs: logprobs ?? 0,
    top_p: settings.topP ?? 1,
    truncation: "disabled",
  };
  return { stream: body.has("stream") && body.boolean("stream"), request, echoed, conversation };
}

/** What would change the prompt is refused, not ignored. */
function refuseStateful(body: Fields, unknown: UnknownFields): void {
  if (body.has("background") && body.boolean("background"))
    body.fail("background", "false: responses are made at once");
  if (body.has("conversation")) body.fail("conversation", `left out: go on by "previous_response_id" or "input"`);
  if (body.has("prompt")) body.fail("prompt", `left out: no prompts are kept here; send "instructions" and "input"`);
  if (body.has("truncation") && body.oneOf("truncation", ["auto", "disabled"]) === "auto") {
    unknown.ignore(body, "truncation");
  }
}

function readPrevious(body: Fields, store: ResponseStore): readonly ChatMessage[] {
  if (!body.has("previous_response_id")) return [];
  const id = body.string("previous_response_id");
  const stored = store.get(id);
  if (stored !== undefined) return stored.conversation;
  throw new MoloraError("bad_request", `there is no response ${JSON.stringify(id.slice(0, 64))} to go on from`, {
    remedy: "Responses are kept in memory, for a while: send the whole conversation as input.",
    details: { field: "previous_response_id" },
  });
}

/** Instructions first; a system turn that opens the conversation joins them, for templates that take only one. */
function instructed(instructions: string, conversation: readonly ChatMessage[]): ChatMessage[] {
  const [first, ...rest] = conversation;
  if (first?.role !== "system") return [{ role: "system", content: instructions }, ...conversation];
  return [{ role: "system", content: `${instructions}\n\n${first.content}` }, ...rest];
}

/** Functions; tools that OpenAI runs itself (a web search, say) are left alone. */
function readTools(body: Fields, unknown: UnknownFields): Tool[] {
  return body.objects("tools").flatMap((tool) => {
    const type = tool.string("type");
    if (type !== "function") {
      unknown.ignore(tool, type, "tools");
      return [];
    }
    unknown.check(tool, ["type", "name", "description", "parameters", "strict"], "tools");
    const name = tool.string("name");
    const description = tool.has("description") ? { description: tool.string("description") } : {};
    const parameters = tool.has("parameters") ? { parameters: tool.raw("parameters") as Record<string, unknown> } : {};
    return [{ name, ...description, ...parameters }];
  });
}

const MODES = ["none", "auto", "required"] as const;

function readToolChoice(body: Fields, tools: Tool[]): { tools: Tool[]; toolChoice?: ToolChoice } {
  if (!body.has("tool_choice")) return { tools };
  if (typeof body.raw("tool_choice") === "string") {
    return { tools, toolChoice: { type: body.oneOf("tool_choice", MODES) } };
  }
  const choice = body.object("tool_choice");
  if (choice.oneOf("type", ["function", "allowed_tools"]) === "function") {
    return { tools, toolChoice: { type: "tool", name: choice.string("name") } };
  }
  const allowed = choice.objects("tools").map((tool) => tool.string("name"));
  return {
    tools: tools.filter(({ name }) => allowed.includes(name)),
    toolChoice: { type: choice.oneOf("mode", ["auto", "required"]) },
  };
}

function readFormat(text: Fields, unknown: UnknownFields): ResponseFormat | undefined {
  if (!text.has("format")) return undefined;
  const format = text.object("format");
  const type = format.oneOf("type", ["text", "json_object", "json_schema"]);
  if (type !== "json_schema") return { type };
  unknown.check(format, ["type", "name", "description", "schema", "strict"], "text.format");
  return { type, schema: format.raw("schema") as Record<string, unknown> };
}

function readLogprobs(body: Fields, unknown: UnknownFields): number | undefined {
  const include = body.has("include") ? body.array("include") : [];
  if (include.some((name) => name !== LOGPROBS)) unknown.ignore(body, "include");
  if (body.has("top_logprobs")) return body.integer("top_logprobs", 0, 20);
  return include.includes(LOGPROBS) ? 0 : undefined;
}
