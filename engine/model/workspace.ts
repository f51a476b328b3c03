// The buffers a step computes in: sized once for the largest step, shared by all layers and all steps.
// It knows nothing of the order in which they are used (forward.ts does).

import type { ModelConfig } from "../../files/families/config.ts";
import { RESULT_WORDS } from "../../shaders/sample.ts";
import { MAX_SORT, TILE_ENTRIES } from "../../shaders/segments.ts";
import { ENTRY_BYTES, tableStride } from "../../shaders/step.ts";
import { alignUp, type Buffers, subView, type View } from "../gpu/buffers.ts";
import type { Capacity } from "./inputs.ts";

/** A linear layer's input: f32, and where int8 activations are used, their quants and scales. */
export interface Activations {
  x: View;
  xq: View;
  xs: View;
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
  /** [T, experts + 1] */
  evidence: View;
  /** Per layer [sequences + pages, experts]: log beliefs of sequences, then those at the ends of full pages. */
  belief: View[];
  /** Whole: [layers, T, entries]; per layer its part. */
  tables: { whole: View; layers: View[] };
  /** [T, entries, 3 modules, 4 · rank4] */
  shrunk: View;
  /** [entries, T, widest group] */
  planes: View;
  order: View;
  tiles: View;
  tileCount: View;
  /** [R, hidden] */
  head: Activations;
  /** [R, vocab] */
  logits: View;
  /** [sequences, vocab] */
  counts: View;
  /** [masks, ceil(vocab / 32)] */
  masks: View;
  /** [sequences] last id of each. */
  sampled: View;
  /** [R, RESULT_WORDS] */
  results: View;
  /** [R, layers, entries] of 8 bytes. */
  trace: View;
}

export function allocateWorkspace(buffers: Buffers, config: ModelConfig, capacity: Capacity): Workspace {
  const { tokens, sequences, pages, logitRows, entries, experts, gateWidth, rank4, masks } = capacity;
  const { hiddenSize, intermediateSize, vocabSize, numLayers, headDim } = config;
  const qRows = config.numHeads * headDim;
  const qkvRows = qRows + 2 * config.numKvHeads * headDim;
  const floats = (label: string, count: number) => buffers.storage(label, count * 4);
  const activations = (label: string, values: number): Activations => ({
    x: floats(label, values),
    xq: buffers.storage(`${label} quants`, values),
    xs: buffers.storage(`${label} scales`, values / 4),
  });
  const tableBytes = tableStride(tokens, entries) * ENTRY_BYTES;
  const table = buffers.storage("tables", numLayers * tableBytes);
  const beliefBytes = alignUp((sequences + pages) * experts * 4, 256);
  const belief = buffers.storage("beliefs", numLayers * beliefBytes);
  const layers = Array.from({ length: numLayers }, (_, i) => i);
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
    evidence: floats("evidence", tokens * (experts + 1)),
    belief: layers.map((i) => subView(belief, i * beliefBytes, beliefBytes)),
    tables: { whole: table, layers: layers.map((i) => subView(table, i * tableBytes, tableBytes)) },
    shrunk: floats("shrunk", tokens * entries * 3 * 4 * rank4),
    planes: floats("planes", entries * tokens * widest),
    order: floats("order", MAX_SORT),
    tiles: buffers.storage("tiles", 16 * (MAX_SORT / TILE_ENTRIES + MAX_SORT)),
    tileCount: floats("tile count", 1),
    head: activations("head input", logitRows * hiddenSize),
    logits: floats("logits", logitRows * vocabSize),
    counts: floats("counts", 2 * sequences * vocabSize),
    masks: floats("masks", masks * Math.ceil(vocabSize / 32)),
    sampled: floats("sampled", sequences),
    results: floats("results", logitRows * RESULT_WORDS),
    trace: buffers.storage("trace", logitRows * numLayers * entries * 8),
  };
}
