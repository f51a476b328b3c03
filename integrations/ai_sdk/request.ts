// Translates an AI SDK call into a request to molora, with warnings for what cannot be done.

import {
  type LanguageModelV4CallOptions,
  type LanguageModelV4Message,
  type LanguageModelV4ToolResultPart,
  type SharedV4Warning,
  UnsupportedFunctionalityError,
} from "@ai-sdk/provider";
import type { ChatMessage, GenerateRequest, Routing, Tool } from "../../proto/api.ts";

/** What `providerOptions.molora` may hold: settings the AI SDK has no name for, and routing by weights. */
export type MoloraProviderOptions = Pick<
  GenerateRequest,
  "adapter" | "adapters" | "mixture" | "minP" | "repetitionPenalty" | "stopIds" | "ignoreEos" | "trace" | "logprobs"
>;

export function toRequest(
  options: LanguageModelV4CallOptions,
  routing: Routing,
): { request: GenerateRequest; warnings: SharedV4Warning[] } {
  const { temperature, topP, topK, presencePenalty, frequencyPenalty, seed, maxOutputTokens, stopSequences } = options;
  const warnings: SharedV4Warning[] = [];
  const tools = toTools(options, warnings);
  if (options.reasoning !== undefined && options.reasoning !== "provider-default" && options.reasoning !== "none") {
    warnings.push({ type: "unsupported", feature: "reasoning", details: "The model reasons as it was trained to." });
  }
  const { toolChoice: choice } = options;
  const toolChoice = choice?.type === "tool" ? { type: "tool" as const, name: choice.toolName } : choice;
  const given = {
    ...routing,
    messages: options.prompt.flatMap(toMessages),
    temperature,
    topP,
    topK,
    presencePenalty,
    frequencyPenalty,
    seed,
    maxTokens: maxOutputTokens,
    stop: stopSequences,
    tools: tools.length === 0 ? undefined : tools,
    toolChoice: tools.length === 0 ? undefined : toolChoice,
    responseFormat: toFormat(options),
    ...(options.providerOptions?.molora as MoloraProviderOptions | undefined),
  };
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return { request: Object.fromEntries(set), warnings };
}

function toFormat({ responseFormat }: LanguageModelV4CallOptions): GenerateRequest["responseFormat"] {
  if (responseFormat?.type !== "json") return undefined;
  if (responseFormat.schema === undefined) return { type: "json_object" };
  return { type: "json_schema", schema: responseFormat.schema as Record<string, unknown> };
}

function toTools({ tools = [] }: LanguageModelV4CallOptions, warnings: SharedV4Warning[]): Tool[] {
  return tools.flatMap((tool) => {
    if (tool.type === "provider") {
      warnings.push({ type: "unsupported", feature: `provider-defined tool ${tool.id}` });
      return [];
    }
    const { name, description, inputSchema } = tool;
    const about = description === undefined ? {} : { description };
    return [{ name, ...about, parameters: inputSchema as Record<string, unknown> }];
  });
}

function toMessages(message: LanguageModelV4Message): ChatMessage[] {
  switch (message.role) {
    case "system":
      return [{ role: "system", content: message.content }];
    case "user":
      return [{ role: "user", content: message.content.map(textOf).join("\n") }];
    case "assistant":
      return [toAssistant(message.content)];
    case "tool":
      return message.content.flatMap((part) => {
        if (part.type !== "tool-result") return [];
        return [{ role: "tool", name: part.toolName, toolCallId: part.toolCallId, content: resultText(part) }];
      });
  }
}

function toAssistant(parts: (LanguageModelV4Message & { role: "assistant" })["content"]): ChatMessage {
  const toolCalls = parts.flatMap((part) => {
    if (part.type !== "tool-call") return [];
    return [{ id: part.toolCallId, name: part.toolName, arguments: JSON.stringify(part.input) }];
  });
  const said = parts.filter((part) => part.type !== "tool-call" && part.type !== "reasoning");
  const content = said.map(textOf).join("");
  return { role: "assistant", content, ...(toolCalls.length === 0 ? {} : { toolCalls }) };
}

function textOf(part: { type: string; text?: string }): string {
  if (part.type === "text" && part.text !== undefined) return part.text;
  throw new UnsupportedFunctionalityError({ functionality: `message part "${part.type}"` });
}

function resultText({ output }: LanguageModelV4ToolResultPart): string {
  switch (output.type) {
    case "text":
    case "error-text":
      return output.value;
    case "json":
    case "error-json":
      return JSON.stringify(output.value);
    case "execution-denied":
      return output.reason ?? "The call was denied.";
    case "content":
      return output.value.map(textOf).join("\n");
  }
}
