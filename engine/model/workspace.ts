// The buffers a step computes in: sized once for the largest step, shared by all layers and all steps.
// forward.ts gives the order in which they are used.

import type { ModelConfig } from "../../files/families/config.ts";
import type { Experts } from "../../files/families/facts.ts";
import { alignUp, VIEW_ALIGNMENT } from "../../shaders/alignment.ts";
import { MAX_SORT, TILE_ENTRIES } from "../../shaders/lora/segments.ts";
import { RESULT_WORDS } from "../../shaders/sampling/sample.ts";
import { ENTRY, tableStride } from "../../shaders/step.ts";
import type { Device } from "../device/device.ts";
import { subView, type View } from "../device/memory.ts";
import type { Capacity } from "./capacity.ts";

/** A linear layer's input: f32, and where int8 activations are used, their quants and scales. */
export interface Activations {
  x: View;
  xq: View;
  xs: View;
}

/** One view a layer, side by side in one buffer. */
export interface Layered {
  whole: View;
  layers: View[];
}

export interface Workspace {
  /** [T, hidden] */
  residual: View;
  /** [T, widest input of a linear layer] */
  input: Activations;
  /** [T, q and k and v rows] */
  qkv: View;
  /** [T, q rows] */
  q: View;
  /** [T, hidden] */
  output: View;
  /** [T, 2 · intermediate] */
  gateUp: View;
  /** [T] ids as the device resolved them. */
  ids: View;
  /** [T, gate width] */
  gate: View;
  /** Whole: [layers, T, experts + 1]; per layer its part. */
  evidence: Layered;
  /** Whole: [layers, sequences + pages, experts]; per layer its part: log beliefs of sequences, then those at the ends of full pages. */
  belief: Layered;
  /** Whole: [layers, T, entries]; per layer its part. */
  tables: Layered;
  /** [T, entries, 3 modules, 4 · rank4] */
  shrunk: View;
  /** [entries, T, widest group] */
  planes: View;
  order: View;
  tiles: View;
  tileCount: View;
  /** Where layers are mixtures of experts. */
  experts?: ExpertSpace;
  /** [R, hidden] */
  head: Activations;
  /** [R, vocabulary] */
  logits: View;
  /** [sequences, vocabulary] */
  counts: View;
  /** [masks, ceil(vocabulary / 32)] */
  masks: View;
  /** [sequences] last id of each. */
  sampled: View;
  /** [R, RESULT_WORDS] */
  results: View;
  /** [R, layers, entries] of 8 bytes. */
  trace: View;
}

/** E experts, of which a token takes K. */
export interface ExpertSpace {
  /** [T, E] */
  logits: View;
  /** Whole: [layers, T, K]; per layer its part. */
  chosen: Layered;
  /** As `chosen`. */
  weights: Layered;
  /** [T · K] */
  order: View;
  /** [E + 1] */
  bounds: View;
  /** [T, K, 2 · intermediate of an expert] */
  gateUp: View;
  /** [T, K, intermediate of an expert] */
  activated: View;
  /** [T, K, hidden] */
  parts: View;
  /** [T, K, entries, 2 parts, 4 · rank4] */
  shrunk: View;
  /** [R, layers, K] of 8 bytes. */
  trace: View;
}

export function allocateWorkspace(device: Device, config: ModelConfig, capacity: Capacity): Workspace {
  const { tokens, sequences, pages, logitRows, vocabulary, entries, experts, gateWidth, rank4, masks } = capacity;
  const { hiddenSize, intermediateSize, numLayers, headDim } = config;
  const qRows = config.numHeads * headDim;
  const qkvRows = qRows + 2 * config.numKvHeads * headDim;
  const floats = (label: string, count: number) => device.allocate(label, count * 4);
  const activations = (label: string, values: number): Activations => ({
    x: floats(label, values),
    xq: device.allocate(`${label} quants`, values),
    xs: device.allocate(`${label} scales`, values / 4),
  });
  const layered = (label: string, bytes: number): Layered => {
    const stride = alignUp(bytes, VIEW_ALIGNMENT);
    const whole = device.allocate(label, numLayers * stride);
    return { whole, layers: Array.from({ length: numLayers }, (_, i) => subView(whole, i * stride, stride)) };
  };
  const expertSpace = ({ count, used, intermediateSize: ffn }: Experts): ExpertSpace => ({
    logits: floats("expert logits", tokens * count),
    chosen: layered("experts chosen", tokens * used * 4),
    weights: layered("expert weights", tokens * used * 4),
    order: floats("expert order", tokens * used),
    bounds: floats("expert bounds", count + 1),
    gateUp: floats("experts' gate and up", tokens * used * 2 * ffn),
    activated: floats("experts' input", tokens * used * ffn),
    parts: floats("experts' output", tokens * used * hiddenSize),
    shrunk: floats("experts' shrunk", tokens * used * entries * 2 * 4 * rank4),
    trace: device.allocate("trace of experts", logitRows * numLayers * used * 8),
  });
  const widest = Math.max(qkvRows, 2 * intermediateSize);
  return {
    residual: floats("residual", tokens * hiddenSize),
    input: activations("input", tokens * Math.max(hiddenSize, qRows, intermediateSize)),
    qkv: floats("qkv", tokens * qkvRows),
    q: floats("q", tokens * qRows),
    output: floats("output", tokens * hiddenSize),
    gateUp: floats("gate and up", tokens * 2 * intermediateSize),
    ids: floats("ids", tokens),
    gate: floats("gate", tokens * gateWidth),
    evidence: layered("evidence", tokens * (experts + 1) * 4),
    belief: layered("beliefs", (sequences + pages) * experts * 4),
    tables: layered("tables", tableStride(tokens, entries) * ENTRY.bytes),
    shrunk: floats("shrunk", tokens * entries * 3 * 4 * rank4),
    planes: floats("planes", entries * tokens * widest),
    order: floats("order", MAX_SORT),
    tiles: device.allocate("tiles", 16 * (MAX_SORT / TILE_ENTRIES + MAX_SORT)),
    tileCount: floats("tile count", 1),
    ...(config.experts && { experts: expertSpace(config.experts) }),
    head: activations("head input", logitRows * hiddenSize),
    logits: floats("logits", logitRows * vocabulary),
    counts: floats("counts", 2 * sequences * vocabulary),
    masks: floats("masks", masks * Math.ceil(vocabulary / 32)),
    sampled: floats("sampled", sequences),
    results: floats("results", logitRows * RESULT_WORDS),
    trace: device.allocate("trace", logitRows * numLayers * entries * 8),
  };
}
