// Whether an adapter's tensors, its configuration and the base agree, module by module; all that does not is listed.
// Names, shapes and ranks are enough for that: no element is read.

import { MoloraError } from "../../proto/errors.ts";
import type { ModelConfig } from "../families/config.ts";
import type { StoredTensor, TensorSource } from "../weights/tensor.ts";
import { type FactorName, kohyaName, parseFactorName } from "./factor_names.ts";
import { unwrap } from "./prefixes.ts";
import { refuseTensor } from "./refusals.ts";
import { type ModulePlace, modulePlaces, placeShape } from "./targets.ts";

/** What an adapter's configuration says of its tensors. */
export interface AdapterClaims {
  /** The base it was made for, for messages. */
  baseModel: string | undefined;
  /** Whether the module of a path is extended. Absent: the modules that have tensors are, whole. */
  isTargeted?: (path: string) => boolean;
  /** Rank, and the scale where the file has no alpha of the module's own. `found`: A's shape says the rank. */
  rankAndScale(path: string, found: number): { rank: number; scale: number };
  /** Factors lie as A [in, rank], B [rank, out]: always, never, or where their shapes say so. */
  transposed: "always" | "never" | "where shapes say so";
}

/** The two factors of one module, of the right shapes: A [rank, in], B [out, rank], or both transposed. */
export interface FactorPair extends ModulePlace {
  rank: number;
  scale: number;
  a: StoredTensor;
  b: StoredTensor;
  /** A scalar: the scale is alpha / rank, whatever the configuration says. */
  alpha: StoredTensor | undefined;
  transposed: boolean;
}

type Factors = Partial<Record<FactorName["factor"], StoredTensor>>;

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
 * Pairs every tensor with a module of the base, in the base's order.
 *
 * @throws MoloraError `adapter_unsupported` for tensors of features that are not served, `adapter_mismatch` with
 * `details: {matched, unmatched, missing, shapes}` for the rest
 */
export function checkFit(claims: AdapterClaims, weights: TensorSource, config: ModelConfig): FactorPair[] {
  for (const name of weights.tensors.keys()) refuseTensor(name);
  const names = [...weights.tensors.keys()].map((name) => [name, parseFactorName(name)] as const);
  const all = modulePlaces(config).map((place) => ({ place, inner: unwrap(place.path).inner }));
  const keys = new Map(all.flatMap(({ place, inner }) => [inner, kohyaName(place.path)].map((key) => [key, inner])));
  const outer = oneOuter(names.flatMap(([, parsed]) => (keys.has(parsed?.inner ?? "") ? [parsed?.outer ?? ""] : [])));
  const targeted = (place: ModulePlace, inner: string) =>
    claims.isTargeted?.(place.path) || claims.isTargeted?.(outer === "" ? inner : `${outer}.${inner}`);
  const seen = new Set(names.flatMap(([, parsed]) => keys.get(parsed?.inner ?? "") ?? []));
  const places = all.filter(({ place, inner }) => (claims.isTargeted ? targeted(place, inner) : seen.has(inner)));

  const factors = new Map<string, Factors>(places.map(({ inner }) => [inner, {}]));
  const findings: Findings = { matched: [], unmatched: [], missing: [], shapes: [] };
  for (const [name, parsed] of names) {
    const taken = assign(weights.tensors.get(name)!, parsed, factors.get(keys.get(parsed?.inner ?? "") ?? ""));
    (taken ? findings.matched : findings.unmatched).push(name);
  }

  const pairs: FactorPair[] = [];
  for (const { place, inner } of places) {
    const { a, b, alpha } = factors.get(inner)!;
    if (a === undefined || b === undefined) {
      const lacks = a === undefined && b === undefined ? "lora_A and lora_B" : a === undefined ? "lora_A" : "lora_B";
      findings.missing.push(`${place.path} (no ${lacks})`);
      continue;
    }
    const pair = orient({ ...place, a, b, alpha }, claims, config);
    findings.shapes.push(...wrongShapes(pair, config));
    pairs.push(pair);
  }
  refuseMismatch(findings, places.length, claims, weights, config);
  return pairs;
}

/** One export wraps all its modules alike; what differs belongs to another model or to another part of one. */
function oneOuter(outers: readonly string[]): string {
  const all = [...new Set(outers)];
  if (all.length <= 1) return all[0] ?? "";
  const shown = all.map((outer) => `"${outer}"`).join(", ");
  throw new MoloraError("adapter_mismatch", `the adapter's tensors lie in several places of a model: ${shown}`, {
    remedy: "Export it again from one model, and of one of its parts only.",
    details: { matched: [], unmatched: all, missing: [], shapes: [] },
  });
}

/** False where no targeted module takes the tensor, or another tensor already took its place. */
function assign(tensor: StoredTensor, name: FactorName | undefined, factors: Factors | undefined): boolean {
  if (name === undefined || factors === undefined || factors[name.factor] !== undefined) return false;
  factors[name.factor] = tensor;
  return true;
}

function orient(
  found: Pick<FactorPair, keyof ModulePlace | "a" | "b" | "alpha">,
  { transposed: order, rankAndScale }: AdapterClaims,
  config: ModelConfig,
): FactorPair {
  const stored = (transposed: boolean) => {
    const claimed = rankAndScale(found.path, found.a.shape[transposed ? 1 : 0]);
    return { ...found, ...claimed, transposed };
  };
  if (order !== "where shapes say so") return stored(order === "always");
  const straight = stored(false);
  const turned = stored(true);
  return wrongShapes(straight, config).length > 0 && wrongShapes(turned, config).length === 0 ? turned : straight;
}

function wrongShapes(pair: FactorPair, config: ModelConfig): string[] {
  const { rank, a, b, alpha, transposed } = pair;
  const [out, inp] = placeShape(config, pair);
  const expected: [StoredTensor, number[]][] = [
    [a, transposed ? [inp, rank] : [rank, inp]],
    [b, transposed ? [rank, out] : [out, rank]],
  ];
  if (alpha !== undefined && alpha.shape.length > 0) expected.push([alpha, [1]]);
  return expected
    .filter(([{ shape }, want]) => shape.join() !== want.join())
    .map(([{ name, shape }, want]) => `${name}: [${shape.join(", ")}], expected [${want.join(", ")}]`);
}

function refuseMismatch(
  findings: Findings,
  targeted: number,
  claims: AdapterClaims,
  weights: TensorSource,
  config: ModelConfig,
): void {
  const { unmatched, missing, shapes } = findings;
  if (targeted > 0 && unmatched.length + missing.length + shapes.length === 0) return;

  const none = claims.isTargeted ? "its target_modules name no module" : "no tensor of it is of a module";
  const reasons = [
    ...(targeted === 0 ? [`${none} of this base`] : []),
    ...(unmatched.length > 0 ? [`${unmatched.length} tensors have no place, first ${unmatched[0]}`] : []),
    ...(missing.length > 0 ? [`${missing.length} targeted modules have no tensors, first ${missing[0]}`] : []),
    ...(shapes.length > 0 ? [`${shapes.length} tensors have other shapes, first ${shapes[0]}`] : []),
  ];
  const base = describeBase(claims, weights, config);
  throw new MoloraError("adapter_mismatch", `the adapter does not fit this base: ${reasons.join("; ")}. ${base}`, {
    remedy: "Use the base it was trained on; if this is the one, its configuration or its weights are not whole.",
    details: { ...findings },
  });
}

/** What the tensors say of the base they were made for, beside what this one is. */
function describeBase({ baseModel, transposed }: AdapterClaims, weights: TensorSource, config: ModelConfig): string {
  const made = [baseModel === undefined ? "an unnamed base" : `"${baseModel}"`];
  let layers = 0;
  for (const { name, shape } of weights.tensors.values()) {
    layers = Math.max(layers, 1 + Number(/\.layers\.(\d+)\./.exec(name)?.[1] ?? -1));
    // Of these modules the input is the hidden state itself.
    const readsHidden = /\.(q|k|v|gate|up)_proj\.lora_[Aa]\b/.test(name);
    if (readsHidden && made.length === 1) made.push(`hidden size ${shape[transposed === "always" ? 0 : 1]}`);
  }
  if (layers > 0) made.push(`${layers} layers seen`);
  return `It was made for ${made.join(", ")}; this base has hidden size ${config.hiddenSize}, ${config.numLayers} layers.`;
}
