// One token's experts and gates, layer by layer, in the page's one popover: beside the token, or at the foot of a phone.
// It knows nothing of replies; it is told where to stand and what to show.

import { find } from "./dom.js";
import { dominantExpert } from "./trace.js";

/** @import { LayerChoice } from "../../../proto/api.ts" */
/** @import { Experts } from "./experts.js" */
/** @typedef {{ index: number, id: number, text: string, trace: LayerChoice[] }} Token */

/** Milliseconds a pointer may leave the token on its way into the popover. */
const GRACE = 250;
const MARGIN = 8;

export class Details {
  #experts;
  #element = find(document, "#details", HTMLElement);
  #title = find(document, "#details-title", HTMLElement);
  #summary = find(document, "#details-summary", HTMLElement);
  #layers = find(document, "#details-layers", HTMLElement);
  #pinned = false;
  #timer = 0;
  /** @type {() => void} */
  #onClose = () => {};

  /** @param {Experts} experts */
  constructor(experts) {
    this.#experts = experts;
    find(document, "#details-close", HTMLButtonElement).addEventListener("click", () => this.close());
    this.#element.addEventListener("pointerenter", () => clearTimeout(this.#timer));
    this.#element.addEventListener("pointerleave", () => this.leave());
    addEventListener("scroll", () => this.leave(), { passive: true });
  }

  get isOpen() {
    return this.#element.matches(":popover-open");
  }

  /** Whether a click or the keyboard opened it: it stays until it is closed. */
  get isPinned() {
    return this.isOpen && this.#pinned;
  }

  /** @param {Node} node */
  holds(node) {
    return this.#element.contains(node);
  }

  /**
   * @param {Token} token
   * @param {DOMRect} anchor What it stands beside.
   * @param {{ pinned: boolean, layer?: number, align?: "left" | "right" | undefined, onClose: () => void }} options
   * `align`: to which end of the anchor, default left; `onClose` undoes the token's highlight.
   */
  show(token, anchor, { pinned, layer, align = "left", onClose }) {
    clearTimeout(this.#timer);
    this.#onClose();
    this.#onClose = onClose;
    this.#pinned = pinned;
    this.#title.textContent = `Token ${token.index + 1}: ${visible(token.text)}`;
    this.#summary.textContent = `${describe(token)} Id ${token.id}.`;
    this.#layers.replaceChildren(...token.trace.flatMap((choice, at) => this.#rows(choice, at, at === layer)));
    if (!this.isOpen) this.#element.showPopover();
    this.#place(anchor, align);
    find(this.#element, ".details-scroll", HTMLElement).scrollTop = 0;
    this.#layers.querySelector("[data-current]")?.scrollIntoView({ block: "nearest" });
  }

  /** The pointer is gone: closes soon, unless pinned. */
  leave() {
    if (this.#pinned) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.close(), GRACE);
  }

  close() {
    clearTimeout(this.#timer);
    this.#pinned = false;
    if (this.isOpen) this.#element.hidePopover();
    this.#onClose();
    this.#onClose = () => {};
  }

  /**
   * @param {LayerChoice} choice
   * @param {number} layer
   * @param {boolean} current
   */
  #rows({ experts, gates }, layer, current) {
    return experts.map((name, i) => {
      const row = document.createElement("tr");
      if (current) row.dataset.current = "";
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = String(layer);
      const expert = document.createElement("td");
      const label = document.createElement("span");
      label.className = "token";
      label.textContent = name;
      this.#experts.dress(label, name);
      expert.append(label);
      const gate = document.createElement("td");
      gate.textContent = gates[i].toFixed(2);
      const bar = document.createElement("span");
      bar.className = "gate";
      this.#experts.dress(bar, name);
      bar.style.setProperty("--gate", String(Math.min(1, Math.abs(gates[i]))));
      gate.append(bar);
      row.append(head, expert, gate);
      return row;
    });
  }

  /**
   * @param {DOMRect} anchor
   * @param {"left" | "right"} align
   */
  #place(anchor, align) {
    // On a phone it lies along an edge of the screen: the one farther from what it is about
    this.#element.dataset.edge = anchor.top > innerHeight / 2 ? "top" : "bottom";
    const { offsetWidth: width, offsetHeight: height } = this.#element;
    const below = anchor.bottom + MARGIN;
    const above = anchor.top - MARGIN - height;
    const fitsBelow = below + height + MARGIN <= innerHeight;
    const top = fitsBelow || above < MARGIN ? Math.min(below, innerHeight - height - MARGIN) : above;
    const start = align === "left" ? anchor.left : anchor.right - width;
    const left = Math.min(start, document.documentElement.clientWidth - width - MARGIN);
    this.#element.style.setProperty("--top", `${Math.max(MARGIN, top)}px`);
    this.#element.style.setProperty("--left", `${Math.max(MARGIN, left)}px`);
  }
}

/**
 * "sql in 8 of 8 layers." One sentence, for the popover and for the slider's value.
 * @param {Token} token
 */
export function describe({ trace }) {
  const { name, layers } = dominantExpert(trace);
  return `${name} in ${layers} of ${trace.length} layers.`;
}

/**
 * A token's text with its spaces and breaks to be seen.
 * @param {string} text
 */
export function visible(text) {
  if (text === "") return "(nothing readable yet)";
  return `“${text.replaceAll("\n", "⏎").replaceAll("\t", "⇥").replaceAll(" ", "␣")}”`;
}
