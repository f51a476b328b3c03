// Whether an adapter's tensors, its configuration and the base agree, module by module; all that does not is listed.
// Names, shapes and ranks are enough for that: no element is read.

import { MoloraError } from "../../proto/errors.ts";
import type { ModelConfig } from "../families/config.ts";
import { sliced } from "../slices.ts";
import type { StoredTensor, TensorSource } from "../weights/tensor.ts";
import type { AdapterClaims } from "./claims.ts";
import { type FactorName, kohyaName, parseFactorName } from "./factor_names.ts";
import { type Factors, missingFactors, onlyBias, type StatedChange, wrongShapes } from "./forms.ts";
import { unwrap } from "./prefixes.ts";
import { refuseTensor } from "./refusals.ts";
import { type ModulePlace, modulePlaces, placeShape } from "./targets.ts";

/** What an adapter states of one module: whole, and of the right shapes. `scale` counts where no alpha is among the factors. */
export interface PlacedChange extends ModulePlace, StatedChange {
  scale: number;
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

/** Tensors looked at in a row: some half a millisecond. */
const AT_A_TIME = 16;

/**
 * Gives every tensor to a module of the base, in the base's order. `more`: it changes something outside of layers too, and
 * need not extend any module.
 *
 * @throws MoloraError `adapter_unsupported` for tensors of features that are not served, `adapter_mismatch` with
 * `details: {matched, unmatched, missing, shapes}` for the rest
 */
export function checkFit(
  claims: AdapterClaims,
  weights: TensorSource,
  config: ModelConfig,
  more = false,
): Promise<PlacedChange[]> {
  return sliced(placed(claims, weights, config, more));
}

function* placed(
  claims: AdapterClaims,
  weights: TensorSource,
  config: ModelConfig,
  more: boolean,
): Generator<void, PlacedChange[]> {
  const names: (readonly [string, FactorName | undefined])[] = [];
  for (const name of weights.tensors.keys()) {
    refuseTensor(name);
    names.push([name, parseFactorName(name)]);
    if (names.length % AT_A_TIME === 0) yield;
  }
  const all = modulePlaces(config).map((place) => ({ place, inner: unwrap(place.path).inner }));
  const keys = new Map(all.flatMap(({ place, inner }) => [inner, kohyaName(place.path)].map((key) => [key, inner])));
  const outer = oneOuter(names.flatMap(([, parsed]) => (keys.has(parsed?.inner ?? "") ? [parsed?.outer ?? ""] : [])));
  yield;
  const targeted = (place: ModulePlace, inner: string) =>
    claims.isTargeted?.(place.path) || claims.isTargeted?.(outer === "" ? inner : `${outer}.${inner}`);
  const found = (wanted: (factor: FactorName["factor"]) => boolean) =>
    new Set(names.flatMap(([, parsed]) => (parsed && wanted(parsed.factor) ? (keys.get(parsed.inner) ?? []) : [])));
  const [seen, biased] = [found(() => true), found((factor) => factor === "newBias")];
  const isPlace = (place: ModulePlace, inner: string) => (claims.isTargeted ? targeted(place, inner) : seen.has(inner));
  yield;
  // Biases are trained of modules that nothing else is changed of, too.
  const places = all.filter(({ place, inner }) => isPlace(place, inner) || biased.has(inner));

  const factors = new Map<string, Factors>(places.map(({ inner }) => [inner, {}]));
  const findings: Findings = { matched: [], unmatched: [], missing: [], shapes: [] };
  for (const [name, parsed] of names) {
    const place = unclaimed(parsed, claims) ? undefined : factors.get(keys.get(parsed?.inner ?? "") ?? "");
    const taken = assign(weights.tensors.get(name)!, parsed, place);
    (taken ? findings.matched : findings.unmatched).push(name);
    if (findings.matched.length % AT_A_TIME === 0) yield;
  }

  const changes: PlacedChange[] = [];
  for (const { place, inner } of places) {
    const stated = factors.get(inner)!;
    const lacks = missingFactors(stated, isPlace(place, inner) ? claims.extras : undefined);
    if (lacks !== "") {
      findings.missing.push(`${place.path} (no ${lacks})`);
      continue;
    }
    const change = orient(place, stated, claims, config);
    findings.shapes.push(...wrongShapes(change, placeShape(config, place)));
    changes.push(change);
    if (changes.length % AT_A_TIME === 0) yield;
  }
  refuseMismatch(findings, places.length > 0 || more, claims, weights, config);
  return changes;
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

/** A magnitude or a bias that the configuration knows nothing of. */
function unclaimed(name: FactorName | undefined, { extras }: AdapterClaims): boolean {
  return extras !== undefined && (name?.factor === "magnitude" || name?.factor === "bias") && !extras[name.factor];
}

/** False where no targeted module takes the tensor, or another tensor already took its place. */
function assign(tensor: StoredTensor, name: FactorName | undefined, factors: Factors | undefined): boolean {
  if (name === undefined || factors === undefined || factors[name.factor] !== undefined) return false;
  factors[name.factor] = tensor;
  return true;
}

function orient(
  place: ModulePlace,
  factors: Factors,
  { transposed: order, rankAndScale }: AdapterClaims,
  config: ModelConfig,
): PlacedChange {
  const stored = (transposed: boolean) => {
    if (onlyBias(factors)) return { ...place, factors, rank: 0, scale: 0, transposed };
    const claimed = rankAndScale(place.path, factors.a?.shape[transposed ? 1 : 0] ?? 0);
    return { ...place, factors, ...claimed, transposed };
  };
  if (order !== "where shapes say so") return stored(order === "always");
  const [straight, turned] = [stored(false), stored(true)];
  const wrong = (change: PlacedChange) => wrongShapes(change, placeShape(config, place)).length;
  return wrong(straight) > 0 && wrong(turned) === 0 ? turned : straight;
}

function refuseMismatch(
  findings: Findings,
  targeted: boolean,
  claims: AdapterClaims,
  weights: TensorSource,
  config: ModelConfig,
): void {
  const { unmatched, missing, shapes } = findings;
  if (targeted && unmatched.length + missing.length + shapes.length === 0) return;

  const none = claims.isTargeted ? "its target_modules name no module" : "no tensor of it is of a module";
  const reasons = [
    ...(targeted ? [] : [`${none} of this base`]),
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
