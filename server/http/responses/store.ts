// Responses that later requests may go on from, in memory, the longest unused going first.

import type { ChatMessage } from "../../../proto/api.ts";
import type { OutputItem, ResponseObject } from "./reply.ts";

export interface StoredResponse {
  response: ResponseObject;
  /** The whole conversation up to and with the answer, without instructions: those are each request's own. */
  conversation: readonly ChatMessage[];
}

export interface StoreLimits {
  /** Responses kept. Default 1024. */
  maxResponses?: number;
  /** Characters of JSON kept, a conversation counted with each of its responses. Default 64 Mi. */
  maxCharacters?: number;
}

export class ResponseStore {
  readonly #maxResponses: number;
  readonly #maxCharacters: number;
  /** By id, the longest unused first. */
  readonly #kept = new Map<string, StoredResponse & { characters: number }>();
  readonly #items = new Map<string, OutputItem>();
  #characters = 0;

  constructor({ maxResponses = 1024, maxCharacters = 2 ** 26 }: StoreLimits = {}) {
    this.#maxResponses = maxResponses;
    this.#maxCharacters = maxCharacters;
  }

  get size(): number {
    return this.#kept.size;
  }

  /** One that would fill the store alone is not kept. */
  put(stored: StoredResponse): void {
    const characters = JSON.stringify([stored.response, stored.conversation]).length;
    if (characters > this.#maxCharacters) return;
    this.#kept.set(stored.response.id, { ...stored, characters });
    for (const item of stored.response.output) this.#items.set(item.id, item);
    this.#characters += characters;
    for (const id of this.#kept.keys()) {
      if (this.#kept.size <= this.#maxResponses && this.#characters <= this.#maxCharacters) return;
      this.delete(id);
    }
  }

  get(id: string): StoredResponse | undefined {
    const stored = this.#kept.get(id);
    if (stored === undefined) return undefined;
    this.#kept.delete(id);
    this.#kept.set(id, stored);
    return stored;
  }

  /** An item of a kept response. */
  item(id: string): OutputItem | undefined {
    return this.#items.get(id);
  }

  /** Whether there was one. */
  delete(id: string): boolean {
    const stored = this.#kept.get(id);
    if (stored === undefined) return false;
    this.#kept.delete(id);
    for (const item of stored.response.output) this.#items.delete(item.id);
    this.#characters -= stored.characters;
    return true;
  }
}
