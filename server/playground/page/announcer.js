// Speaks to screen readers: a streamed text by whole sentences, not by tokens, and one line of news at a time.
// It knows nothing of where the text comes from.

const SENTENCE_END = /[.!?:;]\s|\n/g;
/** A text without sentences (code) is spoken after so many characters, at a space. */
const LONGEST = 160;

export class Announcer {
  #element;

  /** @param {HTMLElement} element A live region. */
  constructor(element) {
    this.#element = element;
  }

  /** @param {string} text */
  say(text) {
    if (text.trim() === "") return;
    // Lines of their own: a reader speaks what is added, and the same news twice
    const line = document.createElement("span");
    line.textContent = `${text.trim()} `;
    this.#element.append(line);
    while (this.#element.childElementCount > 8) this.#element.firstElementChild?.remove();
  }

  /** For one streamed text: `push` what comes, `end` speaks what is left. */
  stream() {
    let waiting = "";
    return {
      /** @param {string} text */
      push: (text) => {
        waiting += text;
        const end = Math.max(...[...waiting.matchAll(SENTENCE_END)].map(({ index }) => index + 1), 0);
        const cut = end > 0 || waiting.length < LONGEST ? end : waiting.lastIndexOf(" ");
        if (cut <= 0) return;
        this.say(waiting.slice(0, cut));
        waiting = waiting.slice(cut);
      },
      end: () => {
        this.say(waiting);
        waiting = "";
      },
    };
  }
}
