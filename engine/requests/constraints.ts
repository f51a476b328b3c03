// What a request's response format and tool choice hold its text to, as the source of a grammar.

import type { GenerateRequest, Tool } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { GrammarSource } from "../sampling/schema/source.ts";
import { type CallNotation, HERMES, notationOf } from "../text/tool_calls.ts";

/** How calls are written and read back in this request; undefined: it has no tools the model is told of. */
export function callNotation(request: GenerateRequest, toolTemplate: string | undefined): CallNotation | undefined {
  return offeredTools(request).length === 0 ? undefined : (notationOf(toolTemplate) ?? HERMES);
}

/** The tools the model is told of. */
export function offeredTools({ tools = [], toolChoice }: GenerateRequest): readonly Tool[] {
  return toolChoice?.type === "none" ? [] : tools;
}

/** @throws MoloraError `bad_request` where format, tools and choice do not fit together. */
export function grammarSource(request: GenerateRequest, toolTemplate: string | undefined): GrammarSource | undefined {
  const { responseFormat, toolChoice, ignoreEos } = request;
  checkTools(request);
  const format = formatSource(responseFormat);
  const called = toolChoice?.type === "required" || toolChoice?.type === "tool";
  if (format === undefined && !called) return undefined;
  if (format !== undefined && called)
    throw refuse("toolChoice", "a response format and a required call exclude each other");
  if (ignoreEos) throw refuse("ignoreEos", "a constrained text ends where its grammar ends");
  return format ?? callSource(request, notationOf(toolTemplate) ?? HERMES);
}

function formatSource(format: GenerateRequest["responseFormat"]): GrammarSource | undefined {
  if (format === undefined || format.type === "text") return undefined;
  if (format.type === "json_object") return whole({ type: "object" }, false);
  if (format.schema === undefined) throw refuse("responseFormat.schema", "json_schema needs a schema");
  return whole(format.schema, true);
}

/** The whole text is JSON of a schema. */
function whole(schema: Record<string, unknown>, strict: boolean): GrammarSource {
  return { options: [{ before: "", schema, after: "" }], strict, before: "", after: "" };
}

function checkTools({ tools = [], toolChoice, prompt, raw, ids }: GenerateRequest): void {
  if (tools.length > 0 && (ids !== undefined || (prompt !== undefined && raw))) {
    throw refuse("tools", "tools are rendered by the chat template, which a raw prompt does without");
  }
  const names = tools.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw refuse("tools", `two tools are named ${JSON.stringify(twice)}`);
  if (toolChoice === undefined) return;
  const { type, name } = toolChoice;
  if ((type === "required" || type === "tool") && tools.length === 0) {
    throw refuse("toolChoice", "a call is required, but there are no tools");
  }
  if ((type === "tool") !== (name !== undefined)) {
    throw refuse(
      "toolChoice.name",
      `a tool choice of type "${type}" ${name === undefined ? "needs" : "takes no"} name`,
    );
  }
  if (name !== undefined && !names.includes(name))
    throw refuse("toolChoice.name", `there is no tool ${JSON.stringify(name)}`);
}

/** One call of one of the tools, written as the notation has it. */
function callSource({ tools = [], toolChoice }: GenerateRequest, notation: CallNotation): GrammarSource {
  const callable = tools.filter(({ name }) => toolChoice?.name === undefined || name === toolChoice.name);
  const [before, after] = notation.begin === "" ? ["", ""] : [`${notation.begin}\n`, `\n${notation.end}`];
  const options = callable.map(({ name, parameters }) => ({
    before: `{"name": ${JSON.stringify(name)}, "${notation.argumentsField}": `,
    schema: parameters ?? NO_PARAMETERS,
    after: "}",
  }));
  return { options, strict: true, before, after };
}

const NO_PARAMETERS = { type: "object", properties: {} };

function refuse(field: string, message: string): MoloraError {
  return new MoloraError("bad_request", message, { details: { field } });
}
