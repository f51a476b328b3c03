// Embeddings and output heads of adapters that change them: on the device beside the base's, chosen by sequence.
// They are no pages: a table is read by its own launches, and only in steps whose sequences use it.

import { familyOf } from "../../files/families/registry.ts";
import type { VocabularyChange } from "../../files/lora/vocabulary.ts";
import type { WeightDtype } from "../../files/weights/stored/device_format.ts";
import type { TensorSource } from "../../files/weights/tensor.ts";
import { MoloraError } from "../../proto/errors.ts";
import { launch } from "../../shaders/kernel.ts";
import { chooseRows } from "../../shaders/sampling/choose_rows.ts";
import { TOKEN } from "../../shaders/step.ts";
import type { Device, Program } from "../device/device.ts";
import type { View } from "../device/memory.ts";
import { changedTable } from "../model/changed_table.ts";
import type { Forward } from "../model/forward.ts";
import type { InputLayout } from "../model/inputs.ts";
import { freeLinear, type LinearWeights, uploadLinear } from "../model/linear_weights.ts";
import type { ForwardViews, Stage } from "../model/stage.ts";
import type { StepKind } from "../model/step_kind.ts";
import type { StepPlan } from "../scheduler/step.ts";
import type { Batch } from "../step/batch.ts";

export interface VocabularyParts {
  device: Device;
  /** The base's own. */
  tensors: TensorSource;
  dtype: WeightDtype;
  forward: Pick<Forward, "stage">;
  views: ForwardViews;
  inputs: InputLayout;
}

/** What a step runs behind the base's embedding, and behind its head. */
export interface VocabularyPrograms {
  embeddings: Program[];
  heads: Program[];
}

interface Tables {
  embedding?: LinearWeights;
  head?: LinearWeights;
  /** The step's tokens, of which others than this vocabulary's have an id that no table holds. */
  tokens: View;
  /** Of its tokens' ids nothing is read. */
  ids: View;
  /** A word a row of logits: whether it is of this vocabulary. */
  taken: View;
  programs: Map<string, Promise<Program>>;
}

/** An id beyond every table, and not ON_DEVICE. */
const NO_ID = 0xfffffffe;

export class Vocabularies {
  readonly #parts: VocabularyParts;
  readonly #tables = new Map<string, Tables>();
  /** Logits of other heads than the base's; one after another uses it. */
  #others: View | undefined;
  /** Keys that the last step may still be about to read, and tables that go once it has run. */
  #read = new Set<string>();
  #parting: Tables[] = [];

  constructor(parts: VocabularyParts) {
    this.#parts = parts;
  }

  has(key: string): boolean {
    return this.#tables.has(key);
  }

  /** Bytes of an adapter's tables on the device. */
  bytes(key: string): number {
    const { embedding, head } = this.#tables.get(key) ?? {};
    const shards = [embedding, head].flatMap((table) => table?.shards ?? []);
    return shards.reduce((sum, { quants, scales }) => sum + quants.size + scales.size, 0);
  }

  /** Brings an adapter's tables onto the device, under the adapter's key. */
  async add(key: string, { size, embedding, head }: VocabularyChange): Promise<void> {
    const { device, tensors, dtype, views } = this.#parts;
    const { config, capacity } = views;
    const family = familyOf(config).tensors;
    const base = (name: string) => {
      const found = tensors.tensors.get(name);
      if (found === undefined) throw new MoloraError("tensor_missing", `${tensors.name} has no tensor ${name}`);
      return found;
    };
    const tables: Tables = {
      tokens: device.allocate("tokens of a vocabulary", capacity.tokens * TOKEN.bytes),
      ids: device.allocate("ids of a vocabulary", capacity.tokens * 4),
      taken: device.allocate("rows of a vocabulary", capacity.logitRows * 4),
      programs: new Map(),
    };
    try {
      checkRoom(size, config.vocabSize, capacity.vocabulary);
      const upload = (name: string, change: NonNullable<VocabularyChange["head"]>) =>
        uploadLinear(device, [changedTable(base(name), change, size)], dtype);
      if (embedding !== undefined) tables.embedding = await upload(family.embedding.hf, embedding);
      const headName = config.tieEmbeddings ? family.embedding.hf : family.head.hf;
      if (head !== undefined) {
        tables.head = await upload(headName, head);
        this.#others ??= device.allocate("logits of a vocabulary", capacity.logitRows * capacity.vocabulary * 4);
      }
    } catch (error) {
      this.#free(tables);
      throw error;
    }
    this.#tables.set(key, tables);
  }

  /** Frees an adapter's tables, where it has some. */
  remove(key: string): void {
    const tables = this.#tables.get(key);
    this.#tables.delete(key);
    if (tables === undefined) return;
    if (this.#read.has(key)) this.#parting.push(tables);
    else this.#free(tables);
  }

  /** Writes what the vocabularies of a step read, and gives their programs; undefined where all is the base's. */
  async programs(plan: StepPlan, { words, rows }: Batch, kind: StepKind): Promise<VocabularyPrograms | undefined> {
    for (const tables of this.#parting.splice(0)) this.#free(tables);
    const used = new Map<string, Tables>();
    for (const { sequence } of plan.slices) {
      const key = this.#keyOf(sequence.routePlan);
      if (key !== undefined) used.set(key, this.#tables.get(key)!);
    }
    this.#read = new Set(used.keys());
    const programs: VocabularyPrograms = { embeddings: [], heads: [] };
    for (const [key, tables] of used) {
      this.#writeTokens(key, tables, plan, words);
      const taken = Uint32Array.from(rows, ({ slice }) => (this.#keyOf(slice.sequence.routePlan) === key ? 1 : 0));
      if (taken.length > 0) this.#parts.device.write(tables.taken, taken);
      if (tables.embedding) programs.embeddings.push(await this.#embedding(tables, tables.embedding, kind));
      if (tables.head) programs.heads.push(await this.#head(tables, tables.head, kind));
    }
    return used.size === 0 ? undefined : programs;
  }

  #keyOf(plan: StepPlan["slices"][number]["sequence"]["routePlan"]): string | undefined {
    return plan.kind === "fixed" ? plan.entries.find(({ key }) => this.#tables.has(key))?.key : undefined;
  }

  #writeTokens(key: string, { tokens }: Tables, plan: StepPlan, words: Uint32Array<ArrayBuffer>): void {
    const at = this.#parts.inputs.offsets.tokens / 4;
    const masked = words.slice(at, at + plan.tokens * TOKEN.words);
    let token = 0;
    for (const { sequence, count } of plan.slices) {
      const mine = this.#keyOf(sequence.routePlan) === key;
      for (let i = 0; i < count; i++, token++) if (!mine) masked[token * TOKEN.words + TOKEN.at.id] = NO_ID;
    }
    this.#parts.device.write(tokens, masked);
  }

  #embedding(tables: Tables, table: LinearWeights, kind: StepKind): Promise<Program> {
    const { tokens, ids } = tables;
    return this.#program(tables, "embedding", kind, (stage) => stage.embed(table, { tokens, ids }));
  }

  #head(tables: Tables, table: LinearWeights, kind: StepKind): Promise<Program> {
    const { capacity, workspace } = this.#parts.views;
    const others = this.#others!;
    return this.#program(tables, `head ${kind.rows}`, kind, (stage) => [
      ...stage.logits(table, others),
      launch(chooseRows, { vocab: capacity.vocabulary }, { taken: tables.taken, others, logits: workspace.logits }),
    ]);
  }

  #program(
    { programs }: Tables,
    name: string,
    kind: StepKind,
    launches: (stage: Stage) => ReturnType<Stage["embed"]>,
  ): Promise<Program> {
    let program = programs.get(name);
    if (program === undefined) {
      program = this.#parts.device.prepare(launches(this.#parts.forward.stage(kind)));
      programs.set(name, program);
      program.catch(() => programs.delete(name));
    }
    return program;
  }

  #free({ embedding, head, tokens, ids, taken }: Tables): void {
    const { device } = this.#parts;
    for (const table of [embedding, head]) if (table !== undefined) freeLinear(device, table);
    for (const view of [tokens, ids, taken]) device.free(view);
  }
}

/** `room`: ids that a row of logits has room for, `own`: the base's. */
function checkRoom(size: number, own: number, room: number): void {
  if (size <= room) return;
  throw new MoloraError("adapter_unsupported", `the adapter adds ${size - own} tokens to the vocabulary`, {
    remedy: `Start the engine with extraVocabulary ${size - own} (--extra-vocabulary); it has room for ${room - own}.`,
    details: { tokens: size, room },
  });
}
