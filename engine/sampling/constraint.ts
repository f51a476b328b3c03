// One sequence held to a grammar: which tokens may come next, told anew after each that came.

import type { Mask, Matching } from "./threads/matching.ts";

export class Constraint {
  readonly #matching: Matching;
  readonly #text: number;
  #allowed: Mask;

  private constructor(matching: Matching, text: number, allowed: Mask) {
    this.#matching = matching;
    this.#text = text;
    this.#allowed = allowed;
  }

  /** `endIds` are allowed where the text is complete. @throws MoloraError `schema_invalid`, `schema_too_complex`. */
  static async begin(matching: Matching, grammar: number, endIds: readonly number[]): Promise<Constraint> {
    const { text, mask } = await matching.begin(grammar, endIds);
    return new Constraint(matching, text, mask);
  }

  /** One bit a token id (bit i of word w: id 32·w + i), for the token after the last one accepted. */
  get allowed(): Mask {
    return this.#allowed;
  }

  /**
   * A token came. `allowed` holds for the next one once this resolves.
   * @throws MoloraError `schema_too_complex`, `schema_invalid` where no token can follow.
   */
  async accept(id: number): Promise<void> {
    this.#allowed = (await this.#matching.accept(this.#text, id)) ?? this.#allowed;
  }

  dispose(): void {
    this.#matching.end(this.#text);
  }
}
