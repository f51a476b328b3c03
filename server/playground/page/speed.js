// How fast a reply comes, as its reader meets it: time to the first token, and tokens a second after it.
// It knows nothing of how the engine counts; the way over the socket is in the numbers.

import { find } from "./dom.js";

export class Speed {
  #ttft;
  #rate;
  #count;
  #sent = performance.now();
  #first = 0;
  #tokens = 0;

  /** @param {HTMLElement} element Holds .ttft, .rate and .count. */
  constructor(element) {
    this.#ttft = find(element, ".ttft", HTMLElement);
    this.#rate = find(element, ".rate", HTMLElement);
    this.#count = find(element, ".count", HTMLElement);
  }

  get tokens() {
    return this.#tokens;
  }

  /** @param {number} tokens How many have just come. */
  add(tokens) {
    const now = performance.now();
    if (this.#tokens === 0) {
      this.#first = now;
      this.#ttft.textContent = milliseconds(now - this.#sent);
    }
    this.#tokens += tokens;
    this.#count.textContent = String(this.#tokens);
    if (now > this.#first) this.#rate.textContent = ((this.#tokens - 1) / ((now - this.#first) / 1000)).toFixed(1);
  }
}

/** @param {number} ms */
function milliseconds(ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
