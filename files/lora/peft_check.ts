// Whether an adapter's tensors, its configuration and the base agree, module by module; all that does not is listed.
// It knows nothing of the tensors' elements: names, shapes and ranks are enough.

import { MoloraError } from "../../proto/errors.ts";
import type { ModelConfig } from "../families/config.ts";
import { moduleShape } from "../families/modules.ts";
import type { StoredTensor, TensorSource } from "../weights/tensor.ts";
import { type PeftConfig, rankAndScale, refuseTensor } from "./peft_config.ts";
import { isTargeted, type ModulePlace, modulePlaces } from "./targets.ts";

/** The two factors of one module, of the right shapes: A [rank, in], B [out, rank]. */
export interface FactorPair extends ModulePlace {
  rank: number;
  scale: number;
  a: StoredTensor;
  b: StoredTensor;
}

/** "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"; some writers put the adapter's name before "weight". */
const TENSOR_NAME = /^base_model\.model\.(.+)\.lora_([AB])(?:\.[^.]+)?\.weight$/;

interface Factors {
  a?: StoredTensor;
  b?: StoredTensor;
}

/** Everything found wrong, as lists a person can read. */
interface Findings {
  matched: string[];
  unmatched: string[];
  /** Targeted modules with no tensor, or only one of two. */
  missing: string[];
  /** "name: [8, 256], expected [8, 576]" */
  shapes: string[];
}

/**
 * Pairs every tensor with a module of the base, in the base's order. Raises `adapter_unsupported` for tensors of
 * features that are not served, `adapter_mismatch` with `details: {matched, unmatched, missing, shapes}` for the rest.
 */
export function checkFit(peft: PeftConfig, weights: TensorSource, config: ModelConfig): FactorPair[] {
  for (const name of weights.tensors.keys()) refuseTensor(name);

  const places = modulePlaces(config).filter(({ path }) => isTargeted(peft.targets, path));
  const factors = new Map<string, Factors>(places.map(({ path }) => [path, {}]));
  const findings: Findings = { matched: [], unmatched: [], missing: [], shapes: [] };
  for (const tensor of weights.tensors.values()) {
    const taken = assign(tensor, factors);
    (taken ? findings.matched : findings.unmatched).push(tensor.name);
  }

  const pairs: FactorPair[] = [];
  for (const place of places) {
    const { a, b } = factors.get(place.path)!;
    if (a === undefined || b === undefined) {
      const lacks = a === undefined && b === undefined ? "lora_A and lora_B" : a === undefined ? "lora_A" : "lora_B";
      findings.missing.push(`${place.path} (no ${lacks})`);
      continue;
    }
    const pair = { ...place, ...rankAndScale(peft, place.path), a, b };
    findings.shapes.push(...wrongShapes(pair, config));
    pairs.push(pair);
  }
  refuseMismatch(findings, places.length, peft, weights, config);
  return pairs;
}

/** False where no targeted module takes the tensor, or another tensor already took its place. */
function assign(tensor: StoredTensor, factors: ReadonlyMap<string, Factors>): boolean {
  const [, path, letter] = TENSOR_NAME.exec(tensor.name) ?? [];
  const pair = path === undefined ? undefined : factors.get(path);
  const factor = letter === "A" ? "a" : "b";
  if (pair === undefined || pair[factor] !== undefined) return false;
  pair[factor] = tensor;
  return true;
}

function wrongShapes({ module, rank, a, b }: FactorPair, config: ModelConfig): string[] {
  const [out, inp] = moduleShape(config, module);
  const expected: [StoredTensor, number[]][] = [
    [a, [rank, inp]],
    [b, [out, rank]],
  ];
  return expected
    .filter(([{ shape }, want]) => shape.join() !== want.join())
    .map(([{ name, shape }, want]) => `${name}: [${shape.join(", ")}], expected [${want.join(", ")}]`);
}

function refuseMismatch(
  findings: Findings,
  targeted: number,
  peft: PeftConfig,
  weights: TensorSource,
  config: ModelConfig,
): void {
  const { unmatched, missing, shapes } = findings;
  if (targeted > 0 && unmatched.length + missing.length + shapes.length === 0) return;

  const reasons = [
    ...(targeted === 0 ? ["its target_modules name no module of this base"] : []),
    ...(unmatched.length > 0 ? [`${unmatched.length} tensors have no place, first ${unmatched[0]}`] : []),
    ...(missing.length > 0 ? [`${missing.length} targeted modules have no tensors, first ${missing[0]}`] : []),
    ...(shapes.length > 0 ? [`${shapes.length} tensors have other shapes, first ${shapes[0]}`] : []),
  ];
  const base = describeBase(peft, weights, config);
  throw new MoloraError("adapter_mismatch", `the adapter does not fit this base: ${reasons.join("; ")}. ${base}`, {
    remedy: "Use the base it was trained on; if this is the one, its configuration or its weights are not whole.",
    details: { ...findings },
  });
}

/** What the tensors say of the base they were made for, beside what this one is. */
function describeBase(peft: PeftConfig, weights: TensorSource, config: ModelConfig): string {
  const made = [peft.baseModel === undefined ? "an unnamed base" : `"${peft.baseModel}"`];
  let layers = 0;
  for (const { name, shape } of weights.tensors.values()) {
    layers = Math.max(layers, 1 + Number(/\.layers\.(\d+)\./.exec(name)?.[1] ?? -1));
    // Of these modules the input is the hidden state itself.
    const readsHidden = /\.(q|k|v|gate|up)_proj\.lora_A\b/.test(name);
    if (readsHidden && made.length === 1) made.push(`hidden size ${shape[1]}`);
  }
  if (layers > 0) made.push(`${layers} layers seen`);
  return `It was made for ${made.join(", ")}; this base has hidden size ${config.hiddenSize}, ${config.numLayers} layers.`;
}
