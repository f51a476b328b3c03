// One reply as it comes: coloured tokens, speed, the heat-map, and the slider and pointers that inspect them.
// It knows nothing of sockets; it is fed messages.

import { describe, visible } from "./details.js";
import { find, stamp } from "./dom.js";
import { HeatMap } from "./heatmap.js";
import { Speed } from "./speed.js";
import { describeShares, dominantExpert, shares, unpackTrace } from "./trace.js";

/** @import { LayerChoice } from "../../../proto/api.ts" */
/** @import { DoneMessage, TokenMessage } from "../../../proto/messages.ts" */
/** @import { Details, Token } from "./details.js" */
/** @import { EngineError } from "./connection.js" */
/** @import { Experts } from "./experts.js" */

const OUTCOMES = { stop: "", length: "Ended at max tokens.", cancelled: "Stopped." };

export class Reply {
  #experts;
  #details;
  #text;
  #outcome;
  #scrub;
  #caption;
  #map;
  #speed;
  /** @type {Token[]} */
  #tokens = [];
  /** @type {HTMLElement[]} Parallel to the tokens. */
  #spans = [];
  /** @type {LayerChoice[][]} */
  #traces = [];

  /**
   * @param {{ lane: string, label: string, experts: Experts, details: Details }} given
   */
  constructor({ lane, label, experts, details }) {
    this.#experts = experts;
    this.#details = details;
    this.element = stamp("reply-template", HTMLElement);
    this.element.ariaLabel = `Reply ${lane}, ${label}`;
    find(this.element, ".badge", HTMLElement).textContent = lane;
    find(this.element, ".route", HTMLElement).textContent = label;
    this.#text = find(this.element, ".text", HTMLElement);
    this.#outcome = find(this.element, ".outcome", HTMLElement);
    this.#scrub = find(this.element, ".scrub input", HTMLInputElement);
    this.#caption = find(this.element, "figcaption", HTMLElement);
    this.#map = new HeatMap(find(this.element, ".map", HTMLElement), this.#traces, experts);
    this.#speed = new Speed(find(this.element, ".speed", HTMLElement));
    find(this.element, ".map-scroll", HTMLElement).ariaLabel = `Heat-map of reply ${lane}, scrolls sideways`;
    this.#listen();
  }

  get text() {
    return this.#tokens.map(({ text }) => text).join("");
  }

  get tokens() {
    return this.#speed.tokens;
  }

  /**
   * @param {TokenMessage} message
   * @param {readonly string[]} table The experts that traces index.
   */
  push({ index, ids, text, traces = [] }, table) {
    this.#speed.add(ids.length);
    ids.forEach((id, i) => {
      const trace = traces[i] === undefined ? [] : unpackTrace(traces[i], table);
      // Of several tokens, the text becomes readable with the last
      this.#append({ index: index + i, id, text: i === ids.length - 1 ? text : "", trace });
    });
    this.#refresh();
  }

  /** @param {DoneMessage} done */
  finish(done) {
    // Held back for a stop string that did not come: it belongs to no token of its own
    if (done.text !== "") {
      this.#text.append(done.text);
      const last = this.#tokens.at(-1);
      if (last !== undefined) last.text += done.text;
    }
    const outcome = OUTCOMES[done.finishReason];
    this.#end(this.#tokens.length === 0 && outcome === "" ? "The model ended at once, without a token." : outcome);
    return outcome;
  }

  /** @param {EngineError} error */
  fail(error) {
    this.element.dataset.failed = "";
    this.#end([`${error.message} (${error.code}).`, error.remedy].filter(Boolean).join(" "));
  }

  /** In the colours of the theme in force. */
  redraw() {
    this.#map.draw();
  }

  /** @param {string} outcome */
  #end(outcome) {
    this.element.ariaBusy = "false";
    this.#outcome.textContent = outcome;
    this.#outcome.hidden = outcome === "";
  }

  /** @param {Token} token */
  #append(token) {
    const span = document.createElement("span");
    span.className = "token";
    span.textContent = token.text;
    span.dataset.index = String(token.index);
    this.#experts.dress(span, dominantExpert(token.trace).name);
    this.#text.append(span);
    this.#tokens.push(token);
    this.#spans.push(span);
    this.#traces.push(token.trace);
  }

  #refresh() {
    const said = describeShares(shares(this.#traces));
    this.#caption.textContent = `Every choice, layer by token: ${said}`;
    this.#map.label = `Heat-map of ${this.#traces[0].length} layers by ${this.#tokens.length} tokens: ${said}`;
    this.#scrub.max = String(this.#tokens.length);
    this.#describeScrub();
    this.#map.draw();
  }

  #listen() {
    this.#text.addEventListener("pointerover", (event) => {
      const index = indexOf(event.target);
      if (event.pointerType === "mouse" && index !== undefined) this.#inspect(index, { pinned: false });
    });
    this.#text.addEventListener("pointerout", () => this.#details.leave());
    this.#text.addEventListener("click", (event) => {
      const index = indexOf(event.target);
      if (index !== undefined) this.#inspect(index, { pinned: true });
    });
    this.#map.listen(
      (index, layer, pinned) => this.#inspect(index, { pinned, layer, beside: this.#map.element }),
      () => this.#details.leave(),
    );
    const scrubbed = () => this.#inspect(this.#scrub.valueAsNumber - 1, { pinned: true, beside: this.#scrub });
    this.#scrub.addEventListener("input", scrubbed);
    this.#scrub.addEventListener("keydown", (event) => {
      // The slider stands at a token already: Enter opens it where the arrows would open its neighbour
      if (event.key === "Enter" || event.key === " ") scrubbed();
    });
  }

  /**
   * @param {number} index
   * @param {{ pinned: boolean, layer?: number, beside?: HTMLElement }} how `beside`: what must stay in sight; default: the token.
   */
  #inspect(index, { beside, ...how }) {
    const token = this.#tokens[index];
    if (token === undefined || (this.#details.isPinned && !how.pinned)) return;
    this.#scrub.value = String(index + 1);
    this.#describeScrub();
    const place =
      beside === undefined
        ? { anchor: this.#spans[index].getBoundingClientRect() }
        : { anchor: this.#outline(beside), align: this.#away(index) };
    const onClose = () => {
      delete this.#spans[index].dataset.current;
      this.#map.mark(undefined);
    };
    this.#details.show(token, place.anchor, { ...how, align: place.align, onClose });
    this.#spans[index].dataset.current = "";
    this.#map.mark(index);
  }

  /**
   * The end of the reply that leaves a token's column in sight.
   * @param {number} index
   * @returns {"left" | "right"}
   */
  #away(index) {
    const { left, right } = this.element.getBoundingClientRect();
    return this.#map.middleOf(index) < (left + right) / 2 ? "right" : "left";
  }

  /**
   * A line across the reply at the height of its text; on a phone, which keeps a whole edge free, at that of `beside`.
   * @param {HTMLElement} beside
   */
  #outline(beside) {
    const { left, width } = this.element.getBoundingClientRect();
    const { top } = (width > innerWidth * 0.8 ? beside : this.#text).getBoundingClientRect();
    return new DOMRect(left, top, width, 0);
  }

  #describeScrub() {
    const index = this.#scrub.valueAsNumber - 1;
    const token = this.#tokens[index];
    if (token === undefined) return;
    this.#scrub.ariaValueText = `${index + 1} of ${this.#tokens.length}, ${visible(token.text)}: ${describe(token)}`;
  }
}

/** @param {EventTarget | null} target */
function indexOf(target) {
  const index = target instanceof HTMLElement ? target.dataset.index : undefined;
  return index === undefined ? undefined : Number(index);
}
