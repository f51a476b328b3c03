// Layers × tokens on a canvas, a cell in the colour of its expert (shared by several by their gates), growing as tokens come.
// It knows nothing of texts; who points at a cell is told to its owner.

import { find } from "./dom.js";

/** @import { LayerChoice } from "../../../proto/api.ts" */
/** @import { Experts } from "./experts.js" */

/**
 * CSS pixels. Columns narrow so that a reply fits its card, as far as they can still be told apart; then it scrolls.
 * Canvases end at 16384 device pixels in some browsers: the longest replies get narrower columns again.
 */
const CELL_WIDTH = 10;
const LEGIBLE_WIDTH = 4;
const WIDEST = 7_000;
const TALLEST_CELL = 14;
const SHORTEST_CELL = 5;
const HEIGHT = 150;

export class HeatMap {
  #traces;
  #experts;
  #scroll;
  #sheet;
  #canvas;
  #cursor;
  #depth;
  #layers = 0;
  #drawAgain = 0;
  /** CSS pixels across that need no scrolling. */
  #room = Number.POSITIVE_INFINITY;
  /** @type {number | undefined} The token whose column is framed. */
  #marked;

  /**
   * @param {HTMLElement} element The figure.
   * @param {readonly LayerChoice[][]} traces Read anew at each drawing.
   * @param {Experts} experts
   */
  constructor(element, traces, experts) {
    this.#traces = traces;
    this.#experts = experts;
    this.element = element;
    this.#scroll = find(element, ".map-scroll", HTMLElement);
    this.#sheet = find(element, ".map-sheet", HTMLElement);
    this.#canvas = find(element, "canvas", HTMLCanvasElement);
    this.#cursor = find(element, ".map-cursor", HTMLElement);
    this.#depth = find(element, ".map-axis span:last-child", HTMLElement);
    new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width === this.#room) return;
      this.#room = contentRect.width;
      this.draw();
    }).observe(this.#scroll);
  }

  /**
   * @param {(token: number, layer: number, pinned: boolean) => void} onPoint
   * @param {() => void} onLeave
   */
  listen(onPoint, onLeave) {
    const point = (/** @type {PointerEvent | MouseEvent} */ event, /** @type {boolean} */ pinned) => {
      const box = this.#canvas.getBoundingClientRect();
      const token = Math.floor((event.clientX - box.left) / this.#cellWidth);
      const layer = Math.floor((event.clientY - box.top) / this.#cellHeight);
      if (token in this.#traces && layer in this.#traces[token]) onPoint(token, layer, pinned);
    };
    this.#canvas.addEventListener("pointermove", (event) => event.pointerType === "mouse" && point(event, false));
    this.#canvas.addEventListener("pointerleave", onLeave);
    this.#canvas.addEventListener("click", (event) => point(event, true));
  }

  /** What the picture shows, in words. */
  set label(/** @type {string} */ text) {
    this.#canvas.ariaLabel = text;
  }

  /** Draws with the next frame; follows the newest token where the reader has not scrolled away. */
  draw() {
    if (this.#drawAgain !== 0) return;
    this.#drawAgain = requestAnimationFrame(() => {
      this.#drawAgain = 0;
      if (this.#traces.length === 0) return;
      const { scrollLeft, scrollWidth, clientWidth } = this.#scroll;
      const follows = scrollLeft + clientWidth > scrollWidth - 2 * CELL_WIDTH;
      this.#paint();
      if (follows) this.#scroll.scrollLeft = this.#scroll.scrollWidth;
    });
  }

  /**
   * Frames a token's column; nothing where it is undefined.
   * @param {number | undefined} token
   */
  mark(token) {
    this.#marked = token;
    this.#frameMarked();
    if (token === undefined) return;
    const left = token * this.#cellWidth;
    const { scrollLeft, clientWidth } = this.#scroll;
    if (left < scrollLeft || left + this.#cellWidth > scrollLeft + clientWidth) {
      this.#scroll.scrollLeft = left - clientWidth / 2;
    }
  }

  /**
   * Where a token's column is on the screen, across.
   * @param {number} token
   */
  middleOf(token) {
    return this.#canvas.getBoundingClientRect().left + (token + 0.5) * this.#cellWidth;
  }

  get #cellWidth() {
    const tokens = this.#traces.length;
    return Math.max(1, Math.min(CELL_WIDTH, Math.max(LEGIBLE_WIDTH, this.#room / tokens), WIDEST / tokens));
  }

  get #cellHeight() {
    return Math.max(SHORTEST_CELL, Math.min(TALLEST_CELL, Math.floor(HEIGHT / this.#layers)));
  }

  #frameMarked() {
    this.#cursor.hidden = this.#marked === undefined;
    if (this.#marked === undefined) return;
    this.#cursor.style.left = `${this.#marked * this.#cellWidth}px`;
    this.#cursor.style.width = `${this.#cellWidth}px`;
  }

  #paint() {
    this.#layers = Math.max(...this.#traces.map((trace) => trace.length));
    const [cellWidth, cellHeight] = [this.#cellWidth, this.#cellHeight];
    const [width, height] = [cellWidth * this.#traces.length, cellHeight * this.#layers];
    this.element.hidden = false;
    this.#depth.textContent = String(this.#layers - 1);
    this.#sheet.style.width = `${width}px`;
    this.#sheet.style.height = `${height}px`;
    const scale = Math.min(devicePixelRatio, 16_000 / width);
    this.#canvas.width = Math.round(width * scale);
    this.#canvas.height = Math.round(height * scale);
    const context = this.#canvas.getContext("2d");
    if (context === null) return;
    context.scale(scale, scale);
    /** @type {Map<string, string>} */
    const colors = new Map();
    for (const name of new Set(this.#traces.flat().flatMap(({ experts }) => experts))) {
      colors.set(name, this.#experts.color(name));
    }
    const gap = cellWidth > LEGIBLE_WIDTH ? 1 : 0;
    // Columns of a fraction of a pixel would blur at their edges
    const edge = (/** @type {number} */ token) => Math.round(token * cellWidth * scale) / scale;
    this.#traces.forEach((trace, token) => {
      const [left, right] = [edge(token), edge(token + 1) - gap];
      trace.forEach(({ experts, gates }, layer) => {
        const total = gates.reduce((sum, gate) => sum + Math.abs(gate), 0);
        let top = layer * cellHeight;
        experts.forEach((name, i) => {
          const part = ((cellHeight - gap) * Math.abs(gates[i])) / total;
          context.fillStyle = colors.get(name) ?? "";
          context.fillRect(left, top, right - left, part);
          top += part;
        });
      });
    });
    this.#frameMarked();
  }
}
