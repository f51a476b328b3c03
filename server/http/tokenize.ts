// `/tokenize` and `/detokenize`, as vLLM has them.
// It knows nothing of generating; what a chat's prompt is, the engine's own rendering says.

import { thinks } from "../../engine/text/reasoning.ts";
import type { Tokenizer } from "../../engine/text/tokenizer.ts";
import { Fields } from "../../files/fields.ts";
import { sliced } from "../../files/slices.ts";
import type { Routing } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { HttpEngine } from "../port.ts";
import { readMessages, readTemplateKwargs, readTool, readTurns } from "./chat_request.ts";
import { findResolver } from "./models.ts";
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
    const { engine } = request;
    const routing = await readModel(request, body);
    const tokenizer = engine.tokenizerOf(routing);
    const tokens = await (body.has("messages")
      ? chatTokens(body, engine, routing, unknown)
      : textTokens(body, tokenizer, engine.contextLength));
    tellIgnored(reply, unknown);
    const named = body.has("return_token_strs") && body.boolean("return_token_strs");
    return {
      count: tokens.length,
      max_model_len: engine.contextLength,
      tokens,
      token_strs: named ? tokens.map((id) => tokenizer.tokenText(id)) : null,
    };
  });

  app.post("/detokenize", async (request, reply) => {
    const body = new Fields(request.body, "request", "bad_request");
    const unknown = new UnknownFields(strict);
    unknown.check(body, ["model", "tokens"]);
    const tokenizer = request.engine.tokenizerOf(await readModel(request, body));
    const isId = (id: unknown): id is number =>
      Number.isInteger(id) && (id as number) >= 0 && (id as number) < tokenizer.vocabSize;
    const tokens = body.array("tokens");
    if (!tokens.every(isId)) body.fail("tokens", `a list of integers from 0 to ${tokenizer.vocabSize - 1}`);
    tellIgnored(reply, unknown);
    return { prompt: tokenizer.decode(tokens as number[]) };
  });
}

/** Optional, but not wrong: an adapter may have a tokenizer of its own. */
async function readModel(request: HttpRequest, body: Fields): Promise<Routing> {
  if (!body.has("model")) return {};
  const resolve = await findResolver(request);
  return resolve(body.string("model"));
}

function textTokens(body: Fields, tokenizer: Tokenizer, contextLength: number): Promise<readonly number[]> {
  const prompt = body.string("prompt");
  checkLength(prompt.length - tokenizer.vanishing(prompt), tokenizer.mostCharacters(contextLength));
  const special = !body.has("add_special_tokens") || body.boolean("add_special_tokens");
  return sliced(tokenizer.encoding(prompt, special ? {} : { addBos: false }));
}

async function chatTokens(
  body: Fields,
  engine: HttpEngine,
  routing: Routing,
  unknown: UnknownFields,
): Promise<readonly number[]> {
  const tools = body.has("tools") ? body.objects("tools").map((tool) => readTool(tool, unknown)) : undefined;
  const messages = readMessages(body, unknown, thinks(engine.tokenizerOf(routing).chatTemplate));
  const turns = { ...readTurns(body), ...readTemplateKwargs(body), tools };
  return engine.promptIds(checkRequest({ ...routing, messages, ...turns }));
}

function checkLength(characters: number, most: number): void {
  if (characters <= most) return;
  throw new MoloraError("prompt_too_long", `the text has ${characters} characters, more than any prompt can`, {
    remedy: `Send at most ${most} characters at once.`,
    details: { characters, most },
  });
}
