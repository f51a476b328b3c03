// The settings of one lane: which experts serve it and how its tokens are sampled, as a form and as a request's fields.
// It knows nothing of conversations.

import { find, stamp } from "./dom.js";

/** @import { AdapterReport, MixtureReport, Routing, SamplingOptions } from "../../../proto/api.ts" */
/** @typedef {{ model: string, adapters: AdapterReport[], mixtures: MixtureReport[] }} Catalogue */
/** @typedef {{ label: string, fields: Routing & SamplingOptions & { maxTokens: number } }} Chosen */

export class Settings {
  #form;
  #summary;
  #sampled;
  #weights;
  /** Whether a person has chosen experts: the first catalogue chooses for who has not. */
  #touched = false;

  /** @param {string} lane "A" or "B" */
  constructor(lane) {
    this.element = stamp("lane-template", HTMLDetailsElement);
    this.#form = find(this.element, "form", HTMLFormElement);
    this.#summary = find(this.element, ".summary", HTMLElement);
    this.#sampled = find(this.element, ".sampled", HTMLElement);
    this.#weights = find(this.element, ".weights", HTMLFieldSetElement);
    find(this.element, ".badge", HTMLElement).textContent = lane;
    this.#form.ariaLabel = `Settings ${lane}`;
    this.#form.addEventListener("submit", (event) => event.preventDefault());
    this.#form.addEventListener("input", ({ target }) => {
      if (target instanceof HTMLInputElement && target.name === "route") this.#touched = true;
      this.#show();
    });
    this.#choose("base");
  }

  /**
   * Offers what the engine has. A choice made before stands while the engine still has it.
   * @param {Catalogue} catalogue
   */
  offer({ adapters, mixtures }) {
    const names = adapters.map(({ name }) => name);
    refill(this.#select("adapter"), names);
    refill(
      this.#select("mixture"),
      mixtures.map(({ name }) => name),
    );
    this.#refillWeights(names);
    this.#radio("adapter").disabled = adapters.length === 0;
    this.#radio("weights").disabled = adapters.length === 0;
    this.#radio("mixture").disabled = mixtures.length === 0;
    if (!this.#touched && mixtures.length > 0) this.#choose("mixture");
    else if (this.#radio(this.#route).disabled) this.#choose("base");
    else this.#show();
  }

  /**
   * The same choices as another lane's, to start from.
   * @param {Settings} other
   */
  copy(other) {
    for (const field of fields(this.#form)) {
      const model = fields(other.#form).find((candidate) => key(candidate) === key(field));
      if (model === undefined) continue;
      if (field instanceof HTMLInputElement && model instanceof HTMLInputElement) field.checked = model.checked;
      field.value = model.value;
    }
    this.#touched = other.#touched;
    this.#show();
  }

  /** The choices, or nothing where a field does not hold: the browser then says so at the field. */
  read() {
    if (!this.#form.checkValidity()) {
      this.element.open = true;
      this.#form.reportValidity();
      return undefined;
    }
    return this.#chosen();
  }

  /** @returns {Chosen} */
  #chosen() {
    const { label, routing } = this.#routing();
    const seed = this.#input("seed").value;
    return {
      label,
      fields: {
        ...routing,
        temperature: this.#input("temperature").valueAsNumber,
        topP: this.#input("topP").valueAsNumber,
        maxTokens: this.#input("maxTokens").valueAsNumber,
        ...(seed === "" ? {} : { seed: Number(seed) }),
      },
    };
  }

  /** @returns {{ label: string, routing: Routing }} */
  #routing() {
    const adapter = this.#select("adapter").value;
    const mixture = this.#select("mixture").value;
    if (this.#route === "adapter") return { label: `adapter ${adapter}`, routing: { adapter } };
    if (this.#route === "mixture") return { label: `mixture ${mixture}`, routing: { mixture } };
    if (this.#route === "base") return { label: "base", routing: {} };
    // The heaviest first: a trace keeps this order, and its first expert gives a token its colour
    const adapters = this.#sliders()
      .map((slider) => ({ id: slider.dataset.adapter ?? "", weight: slider.valueAsNumber }))
      .filter(({ weight }) => weight !== 0)
      .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
    if (adapters.length === 0) return { label: "base (every weight is 0)", routing: {} };
    return { label: adapters.map(({ id, weight }) => `${id} ${weight.toFixed(2)}`).join(" + "), routing: { adapters } };
  }

  #show() {
    for (const part of this.#form.querySelectorAll("[data-route]")) {
      if (part instanceof HTMLElement) part.hidden = part.dataset.route !== this.#route;
    }
    for (const slider of this.#form.querySelectorAll("input[type=range]")) {
      if (!(slider instanceof HTMLInputElement)) continue;
      const output = slider.parentElement?.querySelector("output");
      if (output) output.textContent = slider.valueAsNumber.toFixed(2);
    }
    const { label, fields } = this.#chosen();
    this.#summary.textContent = label;
    this.#sampled.textContent = fields.temperature === 0 ? "greedy" : `temperature ${fields.temperature}`;
  }

  /** @param {readonly string[]} names */
  #refillWeights(names) {
    const before = new Map(this.#sliders().map((slider) => [slider.dataset.adapter, slider.value]));
    for (const row of this.#weights.querySelectorAll("label")) row.remove();
    for (const name of names) {
      const row = stamp("weight-template", HTMLLabelElement);
      find(row, ".name", HTMLElement).textContent = name;
      const slider = find(row, "input", HTMLInputElement);
      slider.dataset.adapter = name;
      slider.value = before.get(name) ?? "0.5";
      this.#weights.append(row);
    }
  }

  get #route() {
    return find(this.#form, "[name=route]:checked", HTMLInputElement).value;
  }

  /** @param {string} route */
  #choose(route) {
    this.#radio(route).checked = true;
    this.#show();
  }

  /** @param {string} route */
  #radio(route) {
    return find(this.#form, `[name=route][value=${route}]`, HTMLInputElement);
  }

  /** @param {string} name */
  #select(name) {
    return find(this.#form, `select[name=${name}]`, HTMLSelectElement);
  }

  /** @param {string} name */
  #input(name) {
    return find(this.#form, `input[name=${name}]`, HTMLInputElement);
  }

  #sliders() {
    return fields(this.#weights).filter((field) => field instanceof HTMLInputElement);
  }
}

/** @param {HTMLElement} root */
function fields(root) {
  return [...root.querySelectorAll("input, select")].filter(
    (field) => field instanceof HTMLInputElement || field instanceof HTMLSelectElement,
  );
}

/**
 * What tells a field from the others of its form; an adapter may be named as a field is.
 * @param {HTMLInputElement | HTMLSelectElement} field
 */
function key({ name, type, value, dataset }) {
  return JSON.stringify([name, type === "radio" ? value : "", dataset.adapter ?? ""]);
}

/**
 * @param {HTMLSelectElement} select
 * @param {readonly string[]} names
 */
function refill(select, names) {
  const before = select.value;
  select.replaceChildren(...names.map((name) => new Option(name)));
  if (names.includes(before)) select.value = before;
}
