// Renders a row of data as token ids, with the domain of each and whether it counts towards a loss.
// Scoring and training both build on it.

import { renderChat } from "../../engine/text/chat_template.ts";
import { chatText } from "../../engine/text/chat_text.ts";
import type { Tokenizer } from "../../engine/text/tokenizer.ts";
import { MoloraError } from "../../proto/errors.ts";
import { alignTokens, type ByteSpan } from "./alignment.ts";
import type { DomainMessage, Row } from "./rows.ts";

/** All lists are as long as `ids`. */
export interface RenderedRow {
  ids: number[];
  /** Whether the prediction of this token counts. Never the first: nothing predicts it. */
  counted: boolean[];
  /** The domain of the text that the token belongs to; where that has none, the row's. */
  domains: (string | undefined)[];
  /** UTF-8 bytes of counting text that each token spells. A text's first token has them, though it does not count. */
  tokenBytes: number[];
  /** Sum of `tokenBytes`. */
  bytes: number;
}

export interface RenderOptions {
  /** A prompt and its completion are joined as they are, without the chat template. */
  raw?: boolean;
}

/**
 * - A **text** is encoded as it is, as transformers' `tokenizer(text)` does; every token counts but the first. `raw` makes
 *   no difference: a text is never put into a chat template. **Segments** are joined by a newline into one text.
 * - A **conversation** is rendered by the chat template without a generation prompt; what counts is each assistant's
 *   content and the special token that ends the turn, as the model has to write both. The header does not, nor does
 *   what follows the ending. As when generating, special tokens that a message spells out stay text. With `raw`, messages
 *   are joined as they are and no token ends a turn.
 *
 * A token counts when it lies wholly inside what counts. A message without a domain has that of its question or answer.
 *
 * @throws MoloraError `chat_template_missing`, `chat_template_failed`; `data_invalid` where tokens cannot be told apart.
 */
export function renderRow(tokenizer: Tokenizer, row: Row, { raw = false }: RenderOptions = {}): RenderedRow {
  const pieces = piecesOf(tokenizer, row, raw);
  const text = pieces.map((piece) => piece.text).join("");
  const templated = row.kind === "chat" && !raw;
  const ids = templated ? encodeChat(tokenizer, row.messages) : tokenizer.encode(text);
  const spans = alignTokens(tokenizer, ids, text, row.where);
  const special = ids.map((id) => tokenizer.specialIds.has(id));
  const { owners, inside } = place(spans, pieces);
  if (templated) leaveOutBehindEndings(owners, special, inside);
  const tokenBytes = spans.map(({ start, end }, t) => (inside[t] && !special[t] ? end - start : 0));
  return {
    ids,
    counted: inside.map((counts, t) => counts && t > 0),
    domains: owners.map(({ domain }) => domain ?? row.domain),
    tokenBytes,
    bytes: tokenBytes.reduce((sum, bytes) => sum + bytes, 0),
  };
}

function encodeChat(tokenizer: Tokenizer, messages: readonly DomainMessage[]): number[] {
  const { marked, encoding } = chatText(tokenizer, plainMessages(messages), { addGenerationPrompt: false });
  return tokenizer.encode(marked, encoding);
}

/** A stretch of the text. */
interface Piece {
  text: string;
  domain: string | undefined;
  counts: boolean;
}

function piecesOf(tokenizer: Tokenizer, row: Row, raw: boolean): Piece[] {
  switch (row.kind) {
    case "text":
      return [{ text: row.text, domain: row.domain, counts: true }];
    case "segments":
      return row.segments.map(({ text, domain }, i) => ({ text: i === 0 ? text : `\n${text}`, domain, counts: true }));
    case "chat":
      return raw ? plainTurns(row.messages) : templatedTurns(tokenizer, row.messages, row.where);
  }
}

function plainTurns(messages: readonly DomainMessage[]): Piece[] {
  return messages.map(({ role, content, domain }) => ({ text: content, domain, counts: role === "assistant" }));
}

/** The template's text, cut where an assistant's turn begins (behind its header) and where it ends. */
function templatedTurns(tokenizer: Tokenizer, messages: readonly DomainMessage[], where: string): Piece[] {
  const pieces: Piece[] = [];
  let done = "";
  let first = 0;
  const add = (end: number, header: boolean, domain: string | undefined, counts: boolean) => {
    const until = render(tokenizer, messages.slice(0, end), header, where);
    if (!until.startsWith(done)) throw rewritten(where);
    pieces.push({ text: until.slice(done.length), domain, counts });
    done = until;
  };
  for (const [i, { role, domain }] of messages.entries()) {
    if (role !== "assistant") continue;
    const exchange = messages.slice(first, i + 1).find((message) => message.domain !== undefined)?.domain;
    add(i, true, exchange, false);
    add(i + 1, false, domain ?? exchange, true);
    first = i + 1;
  }
  add(messages.length, false, messages.at(-1)?.domain, false);
  return pieces;
}

function render(tokenizer: Tokenizer, messages: readonly DomainMessage[], header: boolean, where: string): string {
  try {
    return renderChat(tokenizer, plainMessages(messages), { addGenerationPrompt: header });
  } catch (thrown) {
    const { code, message, remedy } = MoloraError.from(thrown);
    throw new MoloraError(code, `${where}: ${message}`, {
      ...(remedy === undefined ? {} : { remedy }),
      cause: thrown,
    });
  }
}

function plainMessages(messages: readonly DomainMessage[]): { role: string; content: string }[] {
  return messages.map(({ role, content }) => ({ role, content }));
}

function rewritten(where: string): MoloraError {
  return new MoloraError(
    "data_invalid",
    `${where}: the chat template writes a turn differently when more turns follow`,
    {
      remedy: "Give the conversation as one prompt and completion, or score it raw.",
    },
  );
}

/** Per token, the piece it begins in, and whether it lies inside what counts. */
function place(spans: readonly ByteSpan[], pieces: readonly Piece[]): { owners: Piece[]; inside: boolean[] } {
  const ends: number[] = [];
  for (const { text } of pieces) ends.push((ends.at(-1) ?? 0) + new TextEncoder().encode(text).length);
  const pieceAt = (byte: number): Piece => {
    const index = ends.findIndex((end) => byte < end);
    return pieces.at(index)!;
  };
  const owners = spans.map(({ start }) => pieceAt(start));
  const inside = spans.map(({ start, end }, t) => owners[t].counts && pieceAt(Math.max(start, end - 1)).counts);
  return { owners, inside };
}

/** Leaves out what follows the special token that ends an assistant's turn: a newline of the template, say. */
function leaveOutBehindEndings(owners: readonly Piece[], special: readonly boolean[], inside: boolean[]): void {
  const endings = new Map<Piece, number>();
  for (const [t, piece] of owners.entries()) if (special[t]) endings.set(piece, t);
  for (const [t, piece] of owners.entries()) inside[t] &&= t <= (endings.get(piece) ?? t);
}
