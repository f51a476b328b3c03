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
import { DevicePart, unmoved } from "../device/part.ts";
import { changedTable } from "../model/changed_table.ts";
import type { Forward } from "../model/forward.ts";
import type { InputLayout } from "../model/inputs.ts";
import { type LinearWeights, uploadLinear } from "../model/linear_weights.ts";
import type { ForwardViews, Stage } from "../model/stage.ts";
import type { StepKind } from "../model/step_kind.ts";
import type { StepPlan } from "../scheduler/step.ts";
import type { Batch } from "../step/batch.ts";

export interface VocabularyParts {
  device: DevicePart;
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
  /** What they take of the device. */
  part: DevicePart;
  change: VocabularyChange;
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

  /** Brings an adapter's tables onto the device, under the adapter's key. */
  async add(key: string, change: VocabularyChange): Promise<void> {
    const { device, views } = this.#parts;
    const { capacity } = views;
    const part = new DevicePart(device);
    try {
      const tables: Tables = {
        part,
        change,
        tokens: part.allocate("tokens of a vocabulary", capacity.tokens * TOKEN.bytes),
        ids: part.allocate("ids of a vocabulary", capacity.tokens * 4),
        taken: part.allocate("rows of a vocabulary", capacity.logitRows * 4),
        programs: new Map(),
        ...(await unmoved(device, () => this.#upload(part, change))),
      };
      if (tables.head !== undefined) {
        this.#others ??= device.allocate("logits of a vocabulary", capacity.logitRows * views.config.vocabSize * 4);
      }
      this.#tables.set(key, tables);
    } catch (error) {
      part.freeAll();
      throw error;
    }
  }

  async #upload(device: Device, { embedding, head }: VocabularyChange): Promise<Pick<Tables, "embedding" | "head">> {
    const { tensors, dtype, views } = this.#parts;
    const { config } = views;
    const family = familyOf(config).tensors;
    const upload = (name: string, change: NonNullable<VocabularyChange["head"]>) => {
      const base = tensors.tensors.get(name);
      if (base === undefined) throw new MoloraError("tensor_missing", `${tensors.name} has no tensor ${name}`);
      return uploadLinear(device, [changedTable(base, change)], dtype);
    };
    const headName = config.tieEmbeddings ? family.embedding.hf : family.head.hf;
    return {
      ...(embedding && { embedding: await upload(family.embedding.hf, embedding) }),
      ...(head && { head: await upload(headName, head) }),
    };
  }

  /** Writes all tables anew, after the device's buffers became zeros. */
  async rewrite(): Promise<void> {
    for (const { part, change } of this.#tables.values()) await part.refill(() => this.#upload(part, change));
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
    const { config, workspace } = this.#parts.views;
    const others = this.#others!;
    return this.#program(tables, `head ${kind.rows}`, kind, (stage) => [
      ...stage.logits(table, others),
      launch(chooseRows, { vocab: config.vocabSize }, { taken: tables.taken, others, logits: workspace.logits }),
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

  /** Nothing that runs reads them any more. */
  #free({ part, programs }: Tables): void {
    for (const program of programs.values()) {
      program.then(
        (prepared) => this.#parts.device.discard(prepared),
        () => {},
      );
    }
    part.freeAll();
  }
}
