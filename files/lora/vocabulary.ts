// What an adapter changes of the base's embedding and output head: whole tables, LoRA pairs, single rows. Its vocabulary may
// have another size than the base's.

import { MoloraError } from "../../proto/errors.ts";
import { sha256 } from "../digest.ts";
import type { ModelConfig } from "../families/config.ts";
import { readFloats } from "../weights/floats.ts";
import type { StoredTensor, TensorSource } from "../weights/tensor.ts";
import type { AdapterClaims, TableName } from "./claims.ts";
import type { OwnTokenizer } from "./own_tokenizer.ts";
import { unwrap } from "./prefixes.ts";
import { refuse } from "./refusals.ts";

/** A table [vocabulary, hidden] as its change: `table` in its place, then scale · B · A added, then rows replaced. */
export interface TableChange {
  table?: StoredTensor;
  /** b: [vocabulary, rank], a: [rank, hidden]. */
  pair?: { rank: number; scale: number; a: Float32Array; b: Float32Array };
  /** By token id: also of ids behind the base's last. */
  rows?: ReadonlyMap<number, Float32Array>;
}

export interface VocabularyChange {
  /** Ids of the adapter: rows of both tables once they are changed. May be more or fewer than the base's. */
  size: number;
  /** SHA-256 over all that changes: adapters of one resized base have it in common. */
  hash: string;
  embedding?: TableChange;
  head?: TableChange;
  /** How it spells its ids, where its folder says so. */
  tokenizer?: OwnTokenizer;
}

/** base: what modules_to_save put its copy beside. */
type Part = "table" | "base" | "a" | "b" | "rows";

/** Spellings of PEFT, behind the table's name; an adapter's name may stand in them. */
const PARTS: readonly (readonly [RegExp, Part])[] = [
  [/^(modules_to_save\.([^.]+\.)?|(token_adapter\.)?base_layer\.)?weight$/, "table"],
  [/^original_module\.weight$/, "base"],
  [/^lora_(embedding_)?A(\.[^.]+)?(\.weight)?$/, "a"],
  [/^lora_(embedding_)?B(\.[^.]+)?(\.weight)?$/, "b"],
  [/^token_adapter\.trainable_tokens_delta(\.[^.]+)?$/, "rows"],
];

type Found = Partial<Record<Part, StoredTensor>>;

/**
 * Takes the tensors of embedding and head out of an adapter's; the others are those of its layers.
 *
 * @throws MoloraError `adapter_unsupported` for tables of different sizes and for other changes of the two;
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
  if (config.tieEmbeddings) tie(found, claims);
  const embedding = await readTable("embed_tokens", found.embed_tokens, claims, config);
  const head = await readTable("lm_head", found.lm_head, claims, config);
  const shared = config.tieEmbeddings && embedding ? tiedHead(embedding, claims) : undefined;
  const itsHead = head && shared?.rows && !head.rows ? { ...head, rows: shared.rows } : (head ?? shared);
  const changed = embedding !== undefined || itsHead !== undefined;
  const size = commonSize(sizeOf(embedding, config), sizeOf(itsHead, config), config);
  if (!changed) return { rest: { ...weights, tensors: rest }, vocabulary: undefined };
  const hash = await hashOf(size, [embedding, itsHead]);
  const vocabulary = { size, hash, ...(embedding && { embedding }), ...(itsHead && { head: itsHead }) };
  return { rest: { ...weights, tensors: rest }, vocabulary };
}

/**
 * Where the base ties its tables, a table in the base's place is one of both, whichever of the two names it bears: the base
 * was resized. A copy that modules_to_save trained is of its own.
 */
function tie(found: Record<TableName, Found>, { saved, tokenRows }: AdapterClaims): void {
  const { embed_tokens: embedding, lm_head: head } = found;
  // Trained rows of the one are those of the other.
  if (tokenRows?.has("lm_head") !== true) delete head.rows;
  if (!saved?.has("embed_tokens") && !saved?.has("lm_head")) share(embedding, head.table);
  else if (saved.has("embed_tokens")) share(head, embedding.base);
}

function share(found: Found, table: StoredTensor | undefined): void {
  if (found.table === undefined && table !== undefined) found.table = table;
}

/**
 * What of a changed embedding the head shares where the base ties them, as in PEFT: trained rows, and the base's own table;
 * not a LoRA, and not a copy that modules_to_save trained.
 */
function tiedHead({ table, rows }: TableChange, { saved }: AdapterClaims): TableChange | undefined {
  const shared = { ...(table && !saved?.has("embed_tokens") && { table }), ...(rows && { rows }) };
  return Object.keys(shared).length === 0 ? undefined : shared;
}

/** Rows of a table once it is changed. */
function sizeOf(change: TableChange | undefined, { vocabSize }: ModelConfig): number {
  const rows = change?.table?.shape[0] ?? vocabSize;
  return Math.max(rows, ...[...(change?.rows?.keys() ?? [])].map((id) => id + 1));
}

async function hashOf(size: number, changes: readonly (TableChange | undefined)[]): Promise<string> {
  const parts: Uint8Array[] = [];
  const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array) => new Uint8Array(buffer, byteOffset, byteLength);
  for (const change of changes) {
    const { table, pair, rows } = change ?? {};
    const ids = [...(rows?.keys() ?? [])];
    const said = { size, type: table?.type, shape: table?.shape, rank: pair?.rank, scale: pair?.scale, ids };
    parts.push(new TextEncoder().encode(JSON.stringify(said)));
    if (table !== undefined) parts.push(await table.readRows(0, table.shape[0]));
    if (pair !== undefined) parts.push(bytesOf(pair.a), bytesOf(pair.b));
    for (const row of rows?.values() ?? []) parts.push(bytesOf(row));
  }
  return sha256(...parts);
}

function commonSize(embedding: number, head: number, { vocabSize }: ModelConfig): number {
  if (embedding === head) return embedding;
  throw new MoloraError(
    "adapter_unsupported",
    `the adapter has an embedding of ${embedding} tokens and an output head of ${head}; its base has ${vocabSize}`,
    {
      remedy: "Save it again with save_pretrained(…, save_embedding_layers=True), which writes both tables.",
      details: { feature: "tables of different sizes" },
    },
  );
}

async function readTable(
  name: TableName,
  { table, a, b, rows }: Found,
  claims: AdapterClaims,
  config: ModelConfig,
): Promise<TableChange | undefined> {
  const path = name === "embed_tokens" ? `model.${name}` : name;
  const hidden = config.hiddenSize;
  const vocabulary = table?.shape[0] ?? config.vocabSize;
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
    checkShape(table, [vocabulary, hidden]);
    change.table = table;
  }
  if (a !== undefined && b !== undefined) {
    const embeds = /lora_embedding_A/.test(a.name);
    const { rank, scale } = claims.rankAndScale(path, a.shape[0]);
    if (embeds && table === undefined && a.shape[1] !== vocabulary) refuseRowless(a, vocabulary, a.shape[1]);
    checkShape(a, embeds ? [rank, vocabulary] : [rank, hidden]);
    if (!embeds && table === undefined && b.shape[0] !== vocabulary) refuseRowless(b, vocabulary, b.shape[0]);
    checkShape(b, embeds ? [hidden, rank] : [vocabulary, rank]);
    const [first, second] = [await readFloats(a), await readFloats(b)];
    // An embedding's A has a column a token.
    change.pair = embeds
      ? { rank, scale, a: turned(second, hidden, rank), b: turned(first, rank, vocabulary) }
      : { rank, scale, a: first, b: second };
  }
  if (ids !== undefined && rows !== undefined) {
    checkShape(rows, [ids.length, hidden]);
    const trained = new Set(ids);
    for (let id = vocabulary; id < Math.max(...ids); id++)
      if (!trained.has(id)) refuseRowless(rows, vocabulary, id + 1);
    const values = await readFloats(rows);
    change.rows = new Map(ids.map((id, i) => [id, values.slice(i * hidden, (i + 1) * hidden)]));
  }
  return Object.keys(change).length === 0 ? undefined : change;
}

/** [cols, rows] of a matrix [rows, cols]. */
function turned(matrix: Float32Array, rows: number, cols: number): Float32Array {
  return Float32Array.from(matrix, (_, i) => matrix[(i % rows) * cols + Math.floor(i / rows)]);
}

/** The vocabulary grew, and the file does not have the rows of the base that it grew by. */
function refuseRowless({ name }: StoredTensor, vocabulary: number, tokens: number): never {
  throw new MoloraError(
    "adapter_unsupported",
    `the adapter has a vocabulary of ${tokens} tokens or more, its base one of ${vocabulary}, and the rows of the others are not in the file (tensor ${name})`,
    {
      remedy: "Save it again with save_pretrained(…, save_embedding_layers=True), which writes them.",
      details: { feature: "a vocabulary whose new rows were not saved" },
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
