// Whether a tokenizer's ids are the model's: files of two models in one folder load well, and fail at each request.

import { chatText } from "./chat_text.ts";
import { tokenizerInvalid } from "./fields.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** Ordinary words, and characters that are rare in any vocabulary. */
const TRIED = "Hello, world! 1234\n\té 你 😀";

/**
 * Tries a text and a short conversation. Tokens that neither needs may lie beyond the model, as a padding token often does.
 *
 * @throws MoloraError `tokenizer_invalid` where an id is not below `vocabSize`.
 */
export function checkFits(tokenizer: Tokenizer, vocabSize: number): void {
  const ids = [...tokenizer.encode(TRIED), ...chatIds(tokenizer)];
  const beyond = ids.find((id) => id >= vocabSize);
  if (beyond === undefined) return;
  const token = JSON.stringify(tokenizer.tokenText(beyond));
  throw tokenizerInvalid(`the token ${token} has the id ${beyond}, the model knows ${vocabSize} ids`, {
    remedy: "Take config.json, weights and tokenizer files from one and the same model.",
  });
}

/** Of a conversation; empty where the template refuses it or there is none. */
function chatIds(tokenizer: Tokenizer): number[] {
  const messages = [
    { role: "user", content: TRIED },
    { role: "assistant", content: TRIED },
  ];
  try {
    const { marked, encoding } = chatText(tokenizer, messages, { addGenerationPrompt: true });
    return tokenizer.encode(marked, encoding);
  } catch {
    return [];
  }
}
