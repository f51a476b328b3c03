// The forms in which files state what a module adds to its output, and the shapes of their tensors.

import type { StoredTensor } from "../weights/tensor.ts";
import type { Factor } from "./factor_names.ts";

export type Factors = Partial<Record<Factor, StoredTensor>>;

/** What an adapter states of one module, as far as shapes go. */
export interface StatedChange {
  rank: number;
  factors: Factors;
  /** LoRA's factors lie as A [in, rank], B [rank, out]. */
  transposed: boolean;
}

/** DoRA's magnitude; a bias of lora_B. */
export type Extras = Readonly<Record<"magnitude" | "bias", boolean>>;

/** bias: nothing but a bias of its own. */
export type Form = "lora" | "loha" | "lokr" | "bias";

export function formOf(factors: Factors): Form {
  const names = Object.keys(factors);
  if (names.some((name) => name.startsWith("hada_"))) return "loha";
  if (names.some((name) => name.startsWith("lokr_"))) return "lokr";
  return onlyBias(factors) ? "bias" : "lora";
}

export function onlyBias(factors: Factors): boolean {
  return factors.newBias !== undefined && Object.keys(factors).length === 1;
}

/**
 * What is missing beside what is there, in the names that PEFT gives it; empty where the form is whole. `extras`: what a
 * targeted module must have; undefined for one that is not targeted.
 */
export function missingFactors(factors: Factors, extras: Extras | undefined): string {
  const has = (name: Factor) => factors[name] !== undefined;
  const lacking = (...needed: Factor[]) => needed.filter((name) => !has(name));
  const side = (whole: "lokr_w1" | "lokr_w2") => (has(whole) ? [] : lacking(`${whole}_a`, `${whole}_b`));
  switch (formOf(factors)) {
    case "bias":
      return extras === undefined ? "" : "lora_A and lora_B";
    case "loha":
      return lacking("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b").join(" and ");
    case "lokr":
      return [...side("lokr_w1"), ...side("lokr_w2")].join(" and ");
    case "lora":
      return [
        ...lacking("a", "b").map((name) => (name === "a" ? "lora_A" : "lora_B")),
        ...(extras?.magnitude && !has("magnitude") ? ["lora_magnitude_vector"] : []),
        ...(extras?.bias && !has("bias") ? ["bias of lora_B"] : []),
      ].join(" and ");
  }
}

/** Tensors whose shapes are not those of a module [out, in], as a person reads it. */
export function wrongShapes(stated: StatedChange, [out, inp]: readonly [out: number, inp: number]): string[] {
  const { factors } = stated;
  const expected: [Factor, readonly number[]][] = [
    ["magnitude", [out]],
    ["bias", [out]],
    ["newBias", [out]],
    ["alpha", factors.alpha?.shape.length === 0 ? [] : [1]],
    ...matrices(stated, out, inp),
  ];
  return expected.flatMap(([factor, want]) => {
    const tensor = factors[factor];
    if (tensor === undefined || tensor.shape.join() === want.join()) return [];
    return [`${tensor.name}: [${tensor.shape.join(", ")}], expected [${want.join(", ")}]`];
  });
}

function matrices({ rank, factors, transposed }: StatedChange, out: number, inp: number): [Factor, number[]][] {
  switch (formOf(factors)) {
    case "bias":
      return [];
    case "lora":
      return [
        ["a", transposed ? [inp, rank] : [rank, inp]],
        ["b", transposed ? [rank, out] : [out, rank]],
      ];
    case "loha":
      return (["hada_w1", "hada_w2"] as const).flatMap((side): [Factor, number[]][] => [
        [`${side}_a`, [out, rank]],
        [`${side}_b`, [rank, inp]],
      ]);
    case "lokr": {
      // The first factor's sizes are free; the second's are what they leave.
      const rows = (factors.lokr_w1 ?? factors.lokr_w1_a)?.shape[0] ?? 1;
      const columns = factors.lokr_w1?.shape[1] ?? factors.lokr_w1_b?.shape[1] ?? 1;
      return [
        ["lokr_w1_a", [rows, rank]],
        ["lokr_w1_b", [rank, columns]],
        ["lokr_w2", [out / rows, inp / columns]],
        ["lokr_w2_a", [out / rows, rank]],
        ["lokr_w2_b", [rank, inp / columns]],
      ];
    }
  }
}
