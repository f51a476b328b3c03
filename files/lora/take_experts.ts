// What an adapter adds to the base's own experts and to their router: taken out of its tensors, one layer a piece.

import { MoloraError } from "../../proto/errors.ts";
import type { ModelConfig } from "../families/config.ts";
import { type Experts, expertsOf } from "../families/facts.ts";
import { EXPERT_MODULES } from "../families/tensor_names.ts";
import { readFloats } from "../weights/floats.ts";
import type { StoredTensor, TensorSource } from "../weights/tensor.ts";
import type { ExpertLayer, LoraModule } from "./adapter.ts";
import type { AdapterClaims } from "./claims.ts";
import { type ExpertName, expertPaths, parseExpertName } from "./expert_places.ts";
import { transpose } from "./read_change.ts";
import { refuse } from "./refusals.ts";

type Pair = { A?: StoredTensor; B?: StoredTensor };

/** Tensors of a layer. */
interface Found {
  router: Pair;
  /** By depth. */
  stacked: Pair[];
  /** By module. */
  together: Map<string, Pair>;
  /** By "expert.module". */
  linear: Map<string, Pair>;
}

/**
 * Undefined `experts` where it adds nothing to any.
 *
 * @throws MoloraError `adapter_mismatch` where tensors, configuration and base do not agree; `adapter_unsupported` for other
 * bare parameters than those of experts
 */
export async function takeExperts(
  claims: AdapterClaims,
  weights: TensorSource,
  config: ModelConfig,
): Promise<{ rest: TensorSource; experts: ExpertLayer[] | undefined }> {
  const rest = new Map<string, StoredTensor>();
  const layers = Array.from(
    { length: config.numLayers },
    (): Found => ({ router: {}, stacked: [], together: new Map(), linear: new Map() }),
  );
  const kinds = new Set<ExpertName["kind"]>();
  for (const [name, tensor] of weights.tensors) {
    const parsed = parseExpertName(name, config);
    if (parsed === undefined) {
      rest.set(name, tensor);
      continue;
    }
    kinds.add(parsed.kind);
    pairOf(layers[parsed.layer], parsed)[parsed.half] = tensor;
  }
  checkParameters(claims, config);
  const read: ExpertLayer[] = [];
  for (const [i, found] of layers.entries()) {
    const stated = expertsOf(config, i);
    read.push(stated === undefined ? {} : await new LayerReader(claims, config, stated, i, kinds).read(found));
  }
  const any = read.some((layer) => Object.keys(layer).length > 0);
  return { rest: { ...weights, tensors: rest }, experts: any ? read : undefined };
}

function pairOf(found: Found, name: ExpertName): Pair {
  if (name.kind === "router") return found.router;
  if (name.kind === "stacked") {
    found.stacked[name.depth] ??= {};
    return found.stacked[name.depth];
  }
  const [pairs, key] =
    name.kind === "together" ? [found.together, name.module] : [found.linear, `${name.expert}.${name.module}`];
  const pair = pairs.get(key) ?? {};
  pairs.set(key, pair);
  return pair;
}

/** Bare parameters that a configuration names are some of the base's experts'. */
function checkParameters({ parameters = [] }: AdapterClaims, config: ModelConfig): void {
  for (const key of parameters) {
    const paths = Array.from({ length: config.numLayers }, (_, i) => i)
      .filter((i) => expertsOf(config, i) !== undefined)
      .flatMap((i) => {
        const { routerParameter, gateUp, down } = expertPaths(config, i);
        return [routerParameter, gateUp, down];
      });
    if (!paths.some((path) => names(key, path))) refuse(`LoRA on bare parameters (target_parameters: ${key})`);
  }
}

/** PEFT's rule: the parameter's path, or a dotted ending of it. */
function names(key: string, path: string): boolean {
  return path === key || path.endsWith(`.${key}`);
}

class LayerReader {
  readonly #claims: AdapterClaims;
  readonly #paths: ReturnType<typeof expertPaths>;
  readonly #stated: Experts;
  readonly #hidden: number;
  /** What the adapter has of any layer: what has no tensors anywhere is kept in another way by this base's library. */
  readonly #kinds: ReadonlySet<ExpertName["kind"]>;

  constructor(
    claims: AdapterClaims,
    config: ModelConfig,
    stated: Experts,
    layer: number,
    kinds: ReadonlySet<ExpertName["kind"]>,
  ) {
    this.#claims = claims;
    this.#paths = expertPaths(config, layer);
    this.#stated = stated;
    this.#hidden = config.hiddenSize;
    this.#kinds = kinds;
  }

  async read({ router, stacked, together, linear }: Found): Promise<ExpertLayer> {
    const layer = await this.#router(router);
    for (const part of [await this.#stacked(stacked), await this.#together(together), await this.#linear(linear)]) {
      const twice = EXPERT_MODULES.find((module) => module in part && module in layer);
      if (twice !== undefined) {
        const path = this.#paths.together(twice);
        mismatch(`${path} comes twice, in two shapes`, { unmatched: [path] });
      }
      Object.assign(layer, part);
    }
    return layer;
  }

  async #router(pair: Pair): Promise<ExpertLayer> {
    const { router: path, routerParameter } = this.#paths;
    const asked = this.#isParameter(routerParameter) || (this.#kinds.has("router") && this.#isTargeted(path));
    if (!this.#isThere(pair, asked, path)) return {};
    const found = await this.#one(pair, path, [this.#stated.count, this.#hidden]);
    return { router: found };
  }

  /** Which of the two parameters a pair is of, its shapes say: no model's are alike. */
  async #stacked(pairs: readonly Pair[]): Promise<ExpertLayer> {
    const { count, intermediateSize: ffn } = this.#stated;
    const { gateUp, down } = this.#paths;
    const layer: ExpertLayer = {};
    const taken = new Set<string>();
    for (const pair of pairs.filter((one) => one !== undefined)) {
      const isDown = pair.A?.shape[1] === ffn && pair.B?.shape[0] === this.#hidden;
      const [path, rows, columns] = isDown ? [down, this.#hidden, ffn] : [gateUp, 2 * ffn, this.#hidden];
      if (taken.has(path)) mismatch(`${path} comes twice`, { unmatched: [pair.A?.name ?? path] });
      taken.add(path);
      if (!this.#isThere(pair, this.#isParameter(path) || undefined, path)) continue;
      const rank = pair.A!.shape[0] / count;
      const { scale } = this.#scale(path, rank, pair.A!);
      checkShape(pair.A!, [rank * count, columns]);
      checkShape(pair.B!, [rows, rank * count]);
      const a = await readFloats(pair.A!);
      const b = await readFloats(pair.B!);
      const part = (from: number, to: number): LoraModule => ({
        rank,
        scale,
        a,
        b: ofExperts(b, count, rank, from, to),
      });
      if (isDown) layer.down_proj = part(0, rows);
      else Object.assign(layer, { gate_proj: part(0, ffn), up_proj: part(ffn, rows) });
    }
    for (const path of [gateUp, down]) {
      if (this.#isParameter(path) && !taken.has(path)) mismatch(`${path} has no tensors`, { missing: [path] });
    }
    return layer;
  }

  /** A [experts, rank, in] and B [experts, out, rank], which is how a LoraModule of experts lies. */
  async #together(pairs: ReadonlyMap<string, Pair>): Promise<ExpertLayer> {
    const { count, intermediateSize: ffn } = this.#stated;
    const layer: ExpertLayer = {};
    for (const module of EXPERT_MODULES) {
      const path = this.#paths.together(module);
      const pair = pairs.get(module) ?? {};
      if (!this.#isThere(pair, undefined, path)) continue;
      const { A, B } = pair as Required<Pair>;
      const [rows, columns] = module === "down_proj" ? [this.#hidden, ffn] : [ffn, this.#hidden];
      const rank = A.shape.at(-2) ?? 0;
      const { scale } = this.#scale(path, rank, A);
      checkShape(A, [count, rank, columns]);
      checkShape(B, [count, rows, rank]);
      layer[module] = { rank, scale, a: await readFloats(A), b: await readFloats(B) };
    }
    return layer;
  }

  async #linear(pairs: ReadonlyMap<string, Pair>): Promise<ExpertLayer> {
    if (!this.#kinds.has("linear")) return {};
    const { count, intermediateSize: ffn } = this.#stated;
    const layer: ExpertLayer = {};
    for (const module of EXPERT_MODULES) {
      const shape = module === "down_proj" ? ([this.#hidden, ffn] as const) : ([ffn, this.#hidden] as const);
      const found: (LoraModule | undefined)[] = [];
      for (let expert = 0; expert < count; expert++) {
        const path = this.#paths.linear(expert, module);
        const pair = pairs.get(`${expert}.${module}`) ?? {};
        found.push(this.#isThere(pair, this.#isTargeted(path), path) ? await this.#one(pair, path, shape) : undefined);
      }
      if (found.some((one) => one !== undefined)) layer[module] = stack(found, shape);
    }
    return layer;
  }

  async #one({ A, B }: Pair, path: string, [rows, columns]: readonly [number, number]): Promise<LoraModule> {
    const turned = this.#claims.transposed === "always";
    const rank = A!.shape[turned ? 1 : 0];
    const { scale } = this.#scale(path, rank, A!);
    checkShape(A!, turned ? [columns, rank] : [rank, columns]);
    checkShape(B!, turned ? [rank, rows] : [rows, rank]);
    const [a, b] = [await readFloats(A!), await readFloats(B!)];
    return turned ? { rank, scale, a: transpose(a, rank), b: transpose(b, rows) } : { rank, scale, a, b };
  }

  #scale(path: string, rank: number, { name, shape }: StoredTensor): { scale: number } {
    const claimed = this.#claims.rankAndScale(path, rank);
    if (claimed.rank === rank) return claimed;
    mismatch(`${name}: [${shape.join(", ")}], expected rank ${claimed.rank}`, { shapes: [name] });
  }

  #isTargeted(path: string): boolean | undefined {
    return this.#claims.isTargeted?.(path);
  }

  #isParameter(path: string): boolean {
    return (this.#claims.parameters ?? []).some((key) => names(key, path));
  }

  /** `asked`: whether the configuration means it; undefined where it says nothing. */
  #isThere({ A, B }: Pair, asked: boolean | undefined, path: string): boolean {
    if (A === undefined && B === undefined && asked !== true) return false;
    if (A === undefined || B === undefined) {
      const lacks = [...(A ? [] : ["lora_A"]), ...(B ? [] : ["lora_B"])].join(" and ");
      mismatch(`${path} (no ${lacks})`, { missing: [path] });
    }
    if (asked === false) mismatch(`${A.name} has no place`, { unmatched: [A.name, B.name] });
    return true;
  }
}

/** Of B [rows, rank · experts], in which experts are innermost, the rows [from, to): [experts, to − from, rank]. */
function ofExperts(b: Float32Array, count: number, rank: number, from: number, to: number): Float32Array {
  const out = new Float32Array(count * (to - from) * rank);
  let at = 0;
  for (let e = 0; e < count; e++) {
    for (let row = from; row < to; row++) {
      for (let r = 0; r < rank; r++) out[at++] = b[(row * rank + r) * count + e];
    }
  }
  return out;
}

/** All experts' pairs as one, of the highest rank; scales go into B. */
function stack(pairs: readonly (LoraModule | undefined)[], [rows, columns]: readonly [number, number]): LoraModule {
  const rank = Math.max(...pairs.map((pair) => pair?.rank ?? 0));
  const a = new Float32Array(pairs.length * rank * columns);
  const b = new Float32Array(pairs.length * rows * rank);
  for (const [e, pair] of pairs.entries()) {
    if (pair === undefined) continue;
    a.set(pair.a, e * rank * columns);
    for (let row = 0; row < rows; row++) {
      for (let r = 0; r < pair.rank; r++) b[(e * rows + row) * rank + r] = pair.scale * pair.b[row * pair.rank + r];
    }
  }
  return { rank, scale: 1, a, b };
}

function checkShape({ name, shape }: StoredTensor, expected: readonly number[]): void {
  if (shape.join() === expected.join()) return;
  const found = `${name}: [${shape.join(", ")}], expected [${expected.join(", ")}]`;
  mismatch(found, { shapes: [found] });
}

function mismatch(what: string, lists: { unmatched?: string[]; missing?: string[]; shapes?: string[] }): never {
  throw new MoloraError("adapter_mismatch", `the adapter does not fit this base's experts: ${what}`, {
    remedy: "Use the base it was trained on; if this is the one, its configuration or its weights are not whole.",
    details: { matched: [], unmatched: [], missing: [], shapes: [], ...lists },
  });
}
