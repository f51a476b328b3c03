// What tokenizer.json's post-processor puts around a text: ids before it and ids behind it.

import { isObject, type JsonObject, tokenizerInvalid } from "./fields.ts";

export interface Surroundings {
  before: readonly number[];
  after: readonly number[];
}

const NOTHING: Surroundings = { before: [], after: [] };

/** @throws MoloraError `tokenizer_invalid` for a kind that is unknown, a token that does not exist, a part that is neither token nor text. */
export function surroundings(node: unknown, idOf: (token: string) => number | undefined): Surroundings {
  if (node === null || node === undefined) return NOTHING;
  if (!isObject(node)) throw tokenizerInvalid("post_processor is no object");
  switch (node.type) {
    case "ByteLevel":
      return NOTHING;
    case "TemplateProcessing":
      return template(node, idOf);
    case "BertProcessing":
    case "RobertaProcessing":
      return { before: [pairId(node, "cls", idOf)], after: [pairId(node, "sep", idOf)] };
    case "Sequence":
      return sequence(node, idOf);
    default:
      throw tokenizerInvalid(`post-processor ${JSON.stringify(node.type)} is not supported`);
  }
}

function sequence(node: JsonObject, idOf: (token: string) => number | undefined): Surroundings {
  if (!Array.isArray(node.processors)) throw tokenizerInvalid("a Sequence has no list of processors");
  return node.processors.reduce<Surroundings>((inner, processor) => {
    const { before, after } = surroundings(processor, idOf);
    return { before: [...before, ...inner.before], after: [...inner.after, ...after] };
  }, NOTHING);
}

function template(node: JsonObject, idOf: (token: string) => number | undefined): Surroundings {
  if (!Array.isArray(node.single)) throw tokenizerInvalid("post_processor.single is no list");
  const before: number[] = [];
  const after: number[] = [];
  let texts = 0;
  for (const [i, part] of node.single.entries()) {
    const where = `post_processor.single[${i}]`;
    if (!isObject(part)) throw tokenizerInvalid(`${where} is no object`);
    if (isObject(part.SpecialToken)) (texts === 0 ? before : after).push(tokenId(part.SpecialToken.id, where, idOf));
    else if (isObject(part.Sequence) && part.Sequence.id === "A") texts++;
    else throw tokenizerInvalid(`${where} is neither a SpecialToken nor the Sequence A`);
  }
  if (texts !== 1) throw tokenizerInvalid(`post_processor.single holds the text ${texts} times`);
  return { before, after };
}

/** `["<s>", 0]`: the token's text decides. */
function pairId(node: JsonObject, name: string, idOf: (token: string) => number | undefined): number {
  const pair = node[name];
  return tokenId(Array.isArray(pair) ? pair[0] : undefined, `post_processor.${name}`, idOf);
}

function tokenId(token: unknown, where: string, idOf: (token: string) => number | undefined): number {
  const id = typeof token === "string" ? idOf(token) : undefined;
  if (id === undefined) throw tokenizerInvalid(`${where} names ${JSON.stringify(token)}, which is no token`);
  return id;
}
