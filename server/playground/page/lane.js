// One side of a comparison: its settings, and the conversation as it went on that side.
// It knows nothing of the other side.

import { EngineError } from "./connection.js";
import { Reply } from "./reply.js";
import { Settings } from "./settings.js";

/** @import { ChatMessage } from "../../../proto/api.ts" */
/** @import { Announcer } from "./announcer.js" */
/** @import { Connection } from "./connection.js" */
/** @import { Details } from "./details.js" */
/** @import { Experts } from "./experts.js" */
/** @import { Chosen } from "./settings.js" */
/** @typedef {{ connection: Connection, announcer: Announcer, details: Details, experts: Experts }} Parts */

export class Lane {
  #parts;
  /** @type {ChatMessage[]} */
  #messages = [];
  /** @type {Reply[]} */
  #replies = [];
  #branched = false;

  /**
   * @param {string} name "A" or "B"
   * @param {Parts} parts
   */
  constructor(name, parts) {
    this.name = name;
    this.#parts = parts;
    this.settings = new Settings(name);
  }

  /**
   * Takes over another lane's conversation, and the first time its settings: from here on they differ.
   * @param {Lane} other
   */
  branchFrom(other) {
    if (!this.#branched) this.settings.copy(other.settings);
    this.#branched = true;
    this.#messages = other.#messages;
  }

  forget() {
    this.#messages = [];
    this.#replies = [];
  }

  redraw() {
    for (const reply of this.#replies) reply.redraw();
  }

  /**
   * Asks with these settings; `place` gets the reply at once, the promise ends with it. What failed is not remembered.
   * @param {string} prompt
   * @param {Chosen} chosen
   * @param {{ place: Element, onGrow: () => void, signal: AbortSignal }} options
   */
  async ask(prompt, { label, fields }, { place, onGrow, signal }) {
    const { connection, announcer, details, experts } = this.#parts;
    const reply = new Reply({ lane: this.name, label, experts, details });
    this.#replies.push(reply);
    place.append(reply.element);
    const before = this.#messages;
    const messages = [...before, { role: "user", content: prompt }];
    const spoken = announcer.stream();
    /** @type {string[]} */
    let table = [];
    try {
      const done = await connection.generate(
        { messages, trace: true, ...fields },
        {
          onAccepted(accepted) {
            table = accepted.experts;
            experts.meet(table);
          },
          onToken(message) {
            reply.push(message, table);
            spoken.push(message.text);
            onGrow();
          },
        },
        signal,
      );
      const outcome = reply.finish(done);
      spoken.push(done.text);
      spoken.end();
      announcer.say(`Reply ${this.name} ended after ${reply.tokens} tokens. ${outcome}`);
      // Unless a new chat began meanwhile
      if (this.#messages === before) this.#messages = [...messages, { role: "assistant", content: reply.text }];
    } catch (thrown) {
      if (!(thrown instanceof EngineError)) throw thrown;
      reply.fail(thrown);
      announcer.say(`Reply ${this.name} failed: ${thrown.message}`);
    }
    onGrow();
  }
}
