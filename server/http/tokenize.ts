// `/tokenize` and `/detokenize`, as vLLM has them.
// It knows nothing of generating; what a chat's prompt is, the engine's own rendering says.

import { thinks } from "../../engine/text/reasoning.ts";
import { Fields } from "../../files/fields.ts";
import { sliced } from "../../files/slices.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { HttpEngine } from "../port.ts";
import { readMessages, readTemplateKwargs, readTool, readTurns } from "./chat_request.ts";
import { resolveModel } from "./models.ts";
import { checkRequest } from "./request_fields.ts";
import type { HttpRequest, Router } from "./router.ts";
import { tellIgnored, UnknownFields } from "./unknown_fields.ts";

const SHARED = ["model", "add_special_tokens", "return_token_strs"];
const PROMPT = [...SHARED, "prompt"];
const CHAT = [
  ...SHARED,
  "messages",
  "add_generation_prompt",
  "continue_final_message",
  "tools",
  "chat_template_kwargs",
];

export function tokenizeRoutes(app: Router, strict?: boolean): void {
  app.post("/tokenize", async (request, reply) => {
    const body = new Fields(request.body, "request", "bad_request");
    const unknown = new UnknownFields(strict);
    unknown.check(body, body.has("messages") ? CHAT : PROMPT);
    const { engine } = checkModel(body, request);
    const tokens = await (body.has("messages") ? chatTokens(body, engine, unknown) : textTokens(body, engine));
    tellIgnored(reply, unknown);
    const named = body.has("return_token_strs") && body.boolean("return_token_strs");
    return {
      count: tokens.length,
      max_model_len: engine.contextLength,
      tokens,
      token_strs: named ? tokens.map((id) => engine.tokenizer.tokenText(id)) : null,
    };
  });

  app.post("/detokenize", (request, reply) => {
    const body = new Fields(request.body, "request", "bad_request");
    const unknown = new UnknownFields(strict);
    unknown.check(body, ["model", "tokens"]);
    const { tokenizer } = checkModel(body, request).engine;
    const isId = (id: unknown): id is number =>
      Number.isInteger(id) && (id as number) >= 0 && (id as number) < tokenizer.vocabSize;
    const tokens = body.array("tokens");
    if (!tokens.every(isId)) body.fail("tokens", `a list of integers from 0 to ${tokenizer.vocabSize - 1}`);
    tellIgnored(reply, unknown);
    return { prompt: tokenizer.decode(tokens as number[]) };
  });
}

/** Its name is optional, but not wrong. */
function checkModel(body: Fields, { engine, base }: HttpRequest): { engine: HttpEngine } {
  if (body.has("model")) resolveModel(engine, base, body.string("model"));
  return { engine };
}

function textTokens(body: Fields, { tokenizer, contextLength }: HttpEngine): Promise<readonly number[]> {
  const prompt = body.string("prompt");
  checkLength(prompt.length - tokenizer.vanishing(prompt), tokenizer.mostCharacters(contextLength));
  const special = !body.has("add_special_tokens") || body.boolean("add_special_tokens");
  return sliced(tokenizer.encoding(prompt, special ? {} : { addBos: false }));
}

async function chatTokens(body: Fields, engine: HttpEngine, unknown: UnknownFields): Promise<readonly number[]> {
  const tools = body.has("tools") ? body.objects("tools").map((tool) => readTool(tool, unknown)) : undefined;
  const messages = readMessages(body, unknown, thinks(engine.tokenizer.chatTemplate));
  return engine.promptIds(checkRequest({ messages, ...readTurns(body), ...readTemplateKwargs(body), tools }));
}

function checkLength(characters: number, most: number): void {
  if (characters <= most) return;
  throw new MoloraError("prompt_too_long", `the text has ${characters} characters, more than any prompt can`, {
    remedy: `Send at most ${most} characters at once.`,
    details: { characters, most },
  });
}
