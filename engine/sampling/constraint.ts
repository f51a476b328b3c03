// One sequence held to a grammar: which tokens may come next, told anew after each that came.
// It knows nothing of how the grammar was made or of how tokens are picked.

import type { GrammarMatcher } from "@mlc-ai/web-xgrammar";
import { MoloraError } from "../../proto/errors.ts";

export class Constraint {
  readonly #matcher: GrammarMatcher;
  #allowed: Uint32Array<ArrayBuffer>;
  #disposed = false;

  private constructor(matcher: GrammarMatcher, allowed: Uint32Array<ArrayBuffer>) {
    this.#matcher = matcher;
    this.#allowed = allowed;
  }

  /** @throws MoloraError `schema_invalid` where no text fits. */
  static async begin(matcher: GrammarMatcher): Promise<Constraint> {
    const allowed = await nextMask(matcher);
    if (allowed.some((bits) => bits !== 0)) return new Constraint(matcher, allowed);
    matcher.dispose();
    throw new MoloraError("schema_invalid", "nothing fits the schema", { remedy: "Mend the JSON schema." });
  }

  /** One bit a token id (bit i of word w: id 32·w + i), for the token after the last one accepted. */
  get allowed(): Uint32Array<ArrayBuffer> {
    return this.#allowed;
  }

  /** A token came. `allowed` holds for the next one once this resolves. */
  async accept(id: number): Promise<void> {
    if (this.#disposed) return;
    if (!this.#matcher.acceptToken(id)) {
      throw new MoloraError("internal", `token ${id} came although the grammar does not allow it`);
    }
    const allowed = await nextMask(this.#matcher);
    // A text no token can continue (the schema contradicts itself further in) would go on unconstrained.
    if (allowed.every((bits) => bits === 0)) {
      throw new MoloraError("schema_invalid", "the text so far cannot be completed to fit the schema", {
        remedy: "Mend the JSON schema: some part of it admits no value.",
      });
    }
    this.#allowed = allowed;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#matcher.dispose();
  }
}

async function nextMask(matcher: GrammarMatcher): Promise<Uint32Array<ArrayBuffer>> {
  const mask = await matcher.getNextTokenBitmask();
  return new Uint32Array(mask.buffer as ArrayBuffer, mask.byteOffset, mask.length);
}
