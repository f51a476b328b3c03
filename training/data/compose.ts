// Composes texts that change their domain: conversations of several domains in one, with prose between them.
// Every token carries the domain it belongs to.

import type { Tokenizer } from "../../engine/text/tokenizer.ts";
import { Random } from "../random.ts";
import { type RenderedRow, renderRow } from "./render.ts";
import type { Row } from "./rows.ts";
import type { Item, Sources } from "./sources.ts";

export interface ComposeOptions {
  /** Most tokens of a text; longer ones are cut. */
  length: number;
  /** Fewest and most items of a text; neighbours are of different domains. */
  mix: readonly [least: number, most: number];
  seed: number;
}

export class Composer {
  readonly #tokenizer: Tokenizer;
  readonly #sources: Sources;
  readonly #options: ComposeOptions;
  readonly #domains: string[];

  constructor(tokenizer: Tokenizer, sources: Sources, options: ComposeOptions) {
    this.#tokenizer = tokenizer;
    this.#sources = sources;
    this.#options = options;
    this.#domains = [...sources.byDomain.keys()];
  }

  /** Text number `n`: the same for the same sources, options and n, whichever others were asked for. */
  text(n: number): RenderedRow {
    const random = new Random(this.#options.seed, n);
    const { whole, byDomain } = this.#sources;
    const items = [...byDomain.values()].reduce((sum, { length }) => sum + length, 0);
    const row = random.next() * (whole.length + items) < whole.length ? this.#whole(random) : this.#mixed(random);
    return cutRow(row, 0, this.#options.length);
  }

  #whole(random: Random): RenderedRow {
    return renderRow(this.#tokenizer, random.pick(this.#sources.whole));
  }

  #mixed(random: Random): RenderedRow {
    const [least, most] = this.#options.mix;
    const items = this.#draw(random, random.integer(least, most));
    const pieces: RenderedRow[] = [];
    for (let i = 0; i < items.length; ) {
      const chats = run(items, i);
      if (chats.length > 0) pieces.push(this.#conversation(chats));
      else pieces.push(this.#prose(items[i], random, items.length));
      i += Math.max(1, chats.length);
    }
    return joinRows(pieces);
  }

  /** Items of `count` domains in turn, each drawn evenly from those other than the last. */
  #draw(random: Random, count: number): Item[] {
    const items: Item[] = [];
    let last: string | undefined;
    for (let i = 0; i < count; i++) {
      const others = this.#domains.filter((domain) => domain !== last);
      last = random.pick(others.length > 0 ? others : this.#domains);
      items.push(random.pick(this.#sources.byDomain.get(last)!));
    }
    return items;
  }

  #conversation(items: readonly Item[]): RenderedRow {
    const messages = items.flatMap(({ content, domain }) =>
      content.kind === "chat" ? content.messages.map((message) => ({ ...message, domain })) : [],
    );
    const row: Row = { kind: "chat", where: items.map(({ where }) => where).join(", "), messages };
    return renderRow(this.#tokenizer, row);
  }

  /** A stretch of a text: all that fits where it stands alone, an eighth to a half of the length between others. */
  #prose({ where, domain, content }: Item, random: Random, items: number): RenderedRow {
    const text = content.kind === "text" ? content.text : "";
    const row = renderRow(this.#tokenizer, { kind: "text", where, domain, text });
    const { length } = this.#options;
    const size = items === 1 ? length : random.integer(Math.ceil(length / 8), Math.floor(length / 2));
    const start = random.integer(0, Math.max(0, row.ids.length - size));
    return cutRow(row, start, start + size);
  }
}

/** The conversations from item `first` on, up to the next text. */
function run(items: readonly Item[], first: number): Item[] {
  const end = items.findIndex(({ content }, i) => i >= first && content.kind === "text");
  return items.slice(first, end < 0 ? items.length : end);
}

/** Tokens [start, end) of a row. */
export function cutRow(row: RenderedRow, start: number, end: number): RenderedRow {
  const tokenBytes = row.tokenBytes.slice(start, end);
  return {
    ids: row.ids.slice(start, end),
    // No token before it predicts the first
    counted: row.counted.slice(start, end).map((counts, t) => counts && t > 0),
    domains: row.domains.slice(start, end),
    tokenBytes,
    bytes: tokenBytes.reduce((sum, bytes) => sum + bytes, 0),
  };
}

function joinRows(rows: readonly RenderedRow[]): RenderedRow {
  return {
    ids: rows.flatMap(({ ids }) => ids),
    counted: rows.flatMap(({ counted }) => counted),
    domains: rows.flatMap(({ domains }) => domains),
    tokenBytes: rows.flatMap(({ tokenBytes }) => tokenBytes),
    bytes: rows.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
