// How each expert looks, the same wherever it is named: a hue and a kind of underline, and the legend that says so.
// It knows nothing of tokens and replies; base.css gives the hues their colours in either theme.

/** Hues of base.css beside 0, which is the base's grey. */
const HUES = 7;
/** Never by colour alone: experts of neighbouring hues have different lines, and 35 pairs come before the first repeats. */
const LINES = ["solid", "dashed", "dotted", "double", "wavy"];

export class Experts {
  #list;
  /** @type {Map<string, { hue: string, line: string, swatch: HTMLElement }>} */
  #looks = new Map();

  /** @param {HTMLElement} list Where the legend stands. */
  constructor(list) {
    this.#list = list;
    this.meet(["base"]);
  }

  /**
   * Names get their looks, and rows in the legend, in the order in which they are first met.
   * @param {Iterable<string>} names
   */
  meet(names) {
    for (const name of names) {
      if (this.#looks.has(name)) continue;
      const index = this.#looks.size - 1;
      const hue = name === "base" ? "0" : String((index % HUES) + 1);
      const line = name === "base" ? "none" : LINES[index % LINES.length];
      const swatch = document.createElement("span");
      swatch.className = "token";
      swatch.textContent = name;
      const row = document.createElement("li");
      row.append(swatch);
      this.#list.append(row);
      this.#looks.set(name, { hue, line, swatch });
      this.dress(swatch, name);
    }
  }

  /**
   * Gives an element the expert's hue and underline; the style sheet does the rest.
   * @param {HTMLElement} element
   * @param {string} name
   */
  dress(element, name) {
    const { hue, line } = this.#look(name);
    element.dataset.hue = hue;
    element.dataset.line = line;
  }

  /**
   * The hue as a canvas takes it, in the theme in force.
   * @param {string} name
   */
  color(name) {
    return getComputedStyle(this.#look(name).swatch).textDecorationColor;
  }

  /** @param {string} name */
  #look(name) {
    this.meet([name]);
    const look = this.#looks.get(name);
    if (look === undefined) throw new Error(`no look for ${name}`);
    return look;
  }
}
