// What an adapter changes of the base's embedding and output head: whole tables, LoRA pairs, single rows.

import { MoloraError } from "../../proto/errors.ts";
import type { ModelConfig } from "../families/config.ts";
import { readFloats } from "../weights/floats.ts";
import type { StoredTensor, TensorSource } from "../weights/tensor.ts";
import type { AdapterClaims, TableName } from "./claims.ts";
import { unwrap } from "./prefixes.ts";
import { refuse } from "./refusals.ts";

/** A table [vocabulary, hidden] as its change: `table` in its place, then scale · B · A added, then rows replaced. */
export interface TableChange {
  table?: StoredTensor;
  /** b: [vocabulary, rank], a: [rank, hidden]. */
  pair?: { rank: number; scale: number; a: Float32Array; b: Float32Array };
  /** By token id. */
  rows?: ReadonlyMap<number, Float32Array>;
}

export interface VocabularyChange {
  embedding?: TableChange;
  head?: TableChange;
}

type Part = "table" | "a" | "b" | "rows";

/** Spellings of PEFT, behind the table's name; an adapter's name may stand in them. */
const PARTS: readonly (readonly [RegExp, Part])[] = [
  [/^(modules_to_save\.([^.]+\.)?|(token_adapter\.)?base_layer\.)?weight$/, "table"],
  [/^lora_(embedding_)?A(\.[^.]+)?(\.weight)?$/, "a"],
  [/^lora_(embedding_)?B(\.[^.]+)?(\.weight)?$/, "b"],
  [/^token_adapter\.trainable_tokens_delta(\.[^.]+)?$/, "rows"],
];

type Found = Partial<Record<Part, StoredTensor>>;

/**
 * Takes the tensors of embedding and head out of an adapter's; the others are those of its layers.
 *
 * @throws MoloraError `adapter_unsupported` for a vocabulary of another size and for other changes of the two;
 * `adapter_mismatch` where the configuration states what has no tensors, or their shapes do not fit
 */
export async function takeVocabulary(
  claims: AdapterClaims,
  weights: TensorSource,
  config: ModelConfig,
): Promise<{ rest: TensorSource; vocabulary: VocabularyChange | undefined }> {
  const found: Record<TableName, Found> = { embed_tokens: {}, lm_head: {} };
  const rest = new Map<string, StoredTensor>();
  for (const [name, tensor] of weights.tensors) {
    const [, table, suffix] = /^(embed_tokens|lm_head)\.(.+)$/.exec(unwrap(name).inner) ?? [];
    if (table === undefined) {
      rest.set(name, tensor);
      continue;
    }
    const part = PARTS.find(([pattern]) => pattern.test(suffix))?.[1];
    if (part === undefined) refuse("another change of the embedding or the output head than is served", name);
    found[table as TableName][part] = tensor;
  }
  const embedding = await readTable("embed_tokens", found.embed_tokens, claims, config);
  const head = await readTable("lm_head", found.lm_head, claims, config);
  const itsHead = head ?? (config.tieEmbeddings && embedding ? tiedHead(embedding, claims) : undefined);
  const changed = embedding !== undefined || head !== undefined;
  const vocabulary = changed ? { ...(embedding && { embedding }), ...(itsHead && { head: itsHead }) } : undefined;
  return { rest: { ...weights, tensors: rest }, vocabulary };
}

/**
 * What of a changed embedding the head shares where the base ties them, as in PEFT: trained rows, and the base's own table;
 * not a LoRA, and not a copy that modules_to_save trained.
 */
function tiedHead({ table, rows }: TableChange, { saved }: AdapterClaims): TableChange | undefined {
  const shared = { ...(table && !saved?.has("embed_tokens") && { table }), ...(rows && { rows }) };
  return Object.keys(shared).length === 0 ? undefined : shared;
}

async function readTable(
  name: TableName,
  { table, a, b, rows }: Found,
  claims: AdapterClaims,
  config: ModelConfig,
): Promise<TableChange | undefined> {
  const path = name === "embed_tokens" ? `model.${name}` : name;
  const [vocabulary, hidden] = [config.vocabSize, config.hiddenSize];
  const ids = claims.tokenRows?.get(name);
  const lacking = [
    ...(claims.saved?.has(name) && table === undefined ? ["weight"] : []),
    ...(claims.isTargeted?.(path) && a === undefined ? ["lora_A"] : []),
    ...((a === undefined) !== (b === undefined) ? ["its other lora factor"] : []),
    ...((ids === undefined) !== (rows === undefined) ? ["trainable_token_indices with trainable_tokens_delta"] : []),
  ];
  if (lacking.length > 0) mismatch(`${path} (no ${lacking.join(", no ")})`, { missing: [path] });
  const change: TableChange = {};
  if (table !== undefined) {
    if (table.shape[1] === hidden && table.shape[0] !== vocabulary) refuseGrown(table, vocabulary);
    checkShape(table, [vocabulary, hidden]);
    change.table = table;
  }
  if (a !== undefined && b !== undefined) {
    const embeds = /lora_embedding_A/.test(a.name);
    const { rank, scale } = claims.rankAndScale(path, a.shape[0]);
    if (embeds && a.shape[1] !== vocabulary) refuseGrown(a, vocabulary, a.shape[1]);
    checkShape(a, embeds ? [rank, vocabulary] : [rank, hidden]);
    checkShape(b, embeds ? [hidden, rank] : [vocabulary, rank]);
    const [first, second] = [await readFloats(a), await readFloats(b)];
    // An embedding's A has a column a token.
    change.pair = embeds
      ? { rank, scale, a: turned(second, hidden, rank), b: turned(first, rank, vocabulary) }
      : { rank, scale, a: first, b: second };
  }
  if (ids !== undefined && rows !== undefined) {
    checkShape(rows, [ids.length, hidden]);
    const stranger = ids.find((id) => id >= vocabulary);
    if (stranger !== undefined) refuseGrown(rows, vocabulary, stranger + 1);
    const values = await readFloats(rows);
    change.rows = new Map(ids.map((id, i) => [id, values.slice(i * hidden, (i + 1) * hidden)]));
  }
  return Object.keys(change).length === 0 ? undefined : change;
}

/** [cols, rows] of a matrix [rows, cols]. */
function turned(matrix: Float32Array, rows: number, cols: number): Float32Array {
  return Float32Array.from(matrix, (_, i) => matrix[(i % rows) * cols + Math.floor(i / rows)]);
}

function refuseGrown({ name, shape }: StoredTensor, vocabulary: number, tokens = shape[0]): never {
  throw new MoloraError(
    "adapter_unsupported",
    `the adapter has a vocabulary of ${tokens} tokens, its base one of ${vocabulary} (tensor ${name})`,
    {
      remedy: "Merge it into a base first (resize_token_embeddings, PEFT's merge_and_unload, save_pretrained).",
      details: { feature: "a vocabulary of another size" },
    },
  );
}

function checkShape({ name, shape }: StoredTensor, expected: readonly number[]): void {
  if (shape.join() === expected.join()) return;
  const found = `${name}: [${shape.join(", ")}], expected [${expected.join(", ")}]`;
  mismatch(found, { shapes: [found] });
}

function mismatch(what: string, lists: { missing?: string[]; shapes?: string[] }): never {
  throw new MoloraError("adapter_mismatch", `the adapter does not fit this base: ${what}`, {
    remedy: "Use the base it was trained on; if this is the one, its configuration or its weights are not whole.",
    details: { matched: [], unmatched: [], missing: [], shapes: [], ...lists },
  });
}
