// Joins a kernel's WGSL body: constants and bindings of all its parts, and the URLs of the texts in their order.

import type { Bindings, Constants, Kernel, WgslBody } from "./kernel.ts";
import { STRUCTS } from "./step.ts";

/** What a pipeline is compiled from. Equal keys, equal pipelines. */
export interface Composed {
  readonly key: string;
  readonly bindings: Bindings;
  readonly constants: Constants;
  readonly enables: readonly string[];
  /** WGSL of the structs that stand ahead of the texts. */
  readonly structs: string;
  /** URLs. */
  readonly texts: readonly string[];
}

/** Every kernel starts with the structs of a step. */
export function compose<Facts, Shape>(
  kernel: Kernel<Facts, Shape>,
  facts: Facts,
  { text, bindings, fragments = [], structs = [], constants, enables = [] }: WgslBody<Shape>,
): Composed {
  const bound: Record<string, Bindings[string]> = { ...bindings };
  const all: Record<string, number | boolean> = { ...kernel.constants(facts), ...constants };
  const texts = ["step"];
  for (const fragment of fragments) {
    if (fragment.at !== undefined) all[fragment.at] = Object.keys(bound).length;
    Object.assign(bound, fragment.bindings);
    Object.assign(all, fragment.constants);
    texts.push(...fragment.texts);
  }
  texts.push(text);
  const key = JSON.stringify([texts, bound, all, enables]);
  return {
    key,
    bindings: bound,
    constants: all,
    enables,
    structs: STRUCTS + structs.map(({ wgsl }) => wgsl).join(""),
    texts: texts.map(shader),
  };
}

/** WGSL text of the constants. Integers become abstract-int, so they fit u32 and i32 alike; others abstract-float. */
export function constantsText(constants: Constants): string {
  return Object.entries(constants)
    .map(([name, value]) => `const ${name} = ${literal(name, value)};\n`)
    .join("");
}

function literal(name: string, value: number | boolean): string {
  if (typeof value === "boolean") return String(value);
  if (!Number.isFinite(value)) throw new RangeError(`constant ${name} is ${value}`);
  return String(value);
}

function shader(name: string): string {
  return new URL(`../../shaders/${name}.wgsl`, import.meta.url).href;
}
