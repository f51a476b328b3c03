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
import type { ForwardViews } from "../model/forward_views.ts";
import type { InputLayout } from "../model/inputs.ts";
import { type LinearWeights, uploadLinear } from "../model/linear_weights.ts";
import type { Stage } from "../model/stage.ts";
import type { StepKind } from "../model/step_kind.ts";
import type { RoutePlan } from "../scheduler/sequence.ts";
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

/** What a step runs behind the base's embedding, and behind or in place of its head. */
export interface VocabularyPrograms {
  embeddings: Program[];
  /** Whether any row of logits is by the base's head. */
  baseHead: boolean;
  heads: Program[];
}

interface Tables {
  /** Keys of the adapters and mixtures that have them: adapters of one resized base have the same. */
  owners: Set<string>;
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
  /** By what they hold. */
  readonly #tables = new Map<string, Tables>();
  /** What they hold, by the keys of those that have them. */
  readonly #held = new Map<string, string>();
  /** Logits of other heads than the base's; one after another uses it. */
  #others: View | undefined;
  /** Tables that the last step may still be about to read, and those that go once it has run. */
  #read = new Set<Tables>();
  #parting: Tables[] = [];

  constructor(parts: VocabularyParts) {
    this.#parts = parts;
  }

  has(key: string): boolean {
    return this.#held.has(key);
  }

  /** Bytes of the tables of an adapter or a mixture on the device. */
  bytes(key: string): number {
    const { embedding, head } = this.#of(key) ?? {};
    const shards = [embedding, head].flatMap((table) => table?.shards ?? []);
    return shards.reduce((sum, { quants, scales }) => sum + quants.size + scales.size, 0);
  }

  /** Gives a key tables, and brings them onto the device where they are not there yet. */
  async add(key: string, change: VocabularyChange): Promise<void> {
    const { hash } = change;
    const tables = this.#tables.get(hash) ?? (await this.#make(change));
    // Others may have brought the same meanwhile.
    const kept = this.#tables.get(hash) ?? tables;
    if (kept !== tables) this.#free(tables);
    this.#tables.set(hash, kept);
    kept.owners.add(key);
    this.#held.set(key, hash);
  }

  async #make(change: VocabularyChange): Promise<Tables> {
    if (change.embedding === undefined && change.head === undefined) {
      throw new MoloraError("out_of_pages", "tables gave way while what shares them was loaded", {
        remedy: "Load it again, or give the engine more hostCacheBytes.",
      });
    }
    const { device, views } = this.#parts;
    const { config, capacity } = views;
    checkRoom(change.size, config.vocabSize, capacity.vocabulary);
    const part = new DevicePart(device);
    try {
      const tables: Tables = {
        owners: new Set(),
        part,
        change,
        tokens: part.allocate("tokens of a vocabulary", capacity.tokens * TOKEN.bytes),
        ids: part.allocate("ids of a vocabulary", capacity.tokens * 4),
        taken: part.allocate("rows of a vocabulary", capacity.logitRows * 4),
        programs: new Map(),
        ...(await unmoved(device, () => this.#upload(part, change))),
      };
      if (tables.head !== undefined) {
        this.#others ??= device.allocate("logits of a vocabulary", capacity.logitRows * capacity.vocabulary * 4);
      }
      return tables;
    } catch (error) {
      part.freeAll();
      throw error;
    }
  }

  async #upload(
    device: Device,
    { size, embedding, head }: VocabularyChange,
  ): Promise<Pick<Tables, "embedding" | "head">> {
    const { tensors, dtype, views } = this.#parts;
    const { config } = views;
    const family = familyOf(config).tensors;
    const upload = (name: string, change: NonNullable<VocabularyChange["head"]>) => {
      const base = tensors.tensors.get(name);
      if (base === undefined) throw new MoloraError("tensor_missing", `${tensors.name} has no tensor ${name}`);
      return uploadLinear(device, [changedTable(base, change, size)], dtype);
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

  /** Takes a key's tables from it, and frees them where nobody else has them. */
  remove(key: string): void {
    const hash = this.#held.get(key);
    const tables = this.#of(key);
    this.#held.delete(key);
    if (hash === undefined || tables === undefined) return;
    tables.owners.delete(key);
    if (tables.owners.size > 0) return;
    this.#tables.delete(hash);
    if (this.#read.has(tables)) this.#parting.push(tables);
    else this.#free(tables);
  }

  #of(key: string): Tables | undefined {
    return this.#tables.get(this.#held.get(key) ?? "");
  }

  /** Writes what the vocabularies of a step read, and gives their programs; undefined where all is the base's. */
  async programs(plan: StepPlan, { words, rows }: Batch, kind: StepKind): Promise<VocabularyPrograms | undefined> {
    for (const tables of this.#parting.splice(0)) this.#free(tables);
    const used = new Set(plan.slices.flatMap(({ sequence }) => this.#tablesOf(sequence.routePlan) ?? []));
    this.#read = used;
    const tablesOf = rows.map(({ slice }) => this.#tablesOf(slice.sequence.routePlan));
    const baseHead = tablesOf.some((tables) => tables?.head === undefined);
    const programs: VocabularyPrograms = { embeddings: [], baseHead, heads: [] };
    for (const tables of used) {
      this.#writeTokens(tables, plan, words);
      const taken = Uint32Array.from(tablesOf, (mine) => (mine === tables ? 1 : 0));
      if (taken.length > 0) this.#parts.device.write(tables.taken, taken);
      if (tables.embedding) programs.embeddings.push(await this.#embedding(tables, tables.embedding, kind));
      if (tables.head) programs.heads.push(await this.#head(tables, tables.head, kind));
    }
    return used.size === 0 ? undefined : programs;
  }

  #tablesOf(plan: RoutePlan): Tables | undefined {
    if (plan.kind === "none") return undefined;
    const [keys, entries] = plan.kind === "router" ? [[plan.key], plan.beside ?? []] : [[], plan.entries];
    const owner = [...keys, ...entries.map(({ key }) => key)].find((key) => this.#held.has(key));
    return owner === undefined ? undefined : this.#of(owner);
  }

  #writeTokens(tables: Tables, plan: StepPlan, words: Uint32Array<ArrayBuffer>): void {
    const at = this.#parts.inputs.offsets.tokens / 4;
    const masked = words.slice(at, at + plan.tokens * TOKEN.words);
    let token = 0;
    for (const { sequence, count } of plan.slices) {
      const mine = this.#tablesOf(sequence.routePlan) === tables;
      for (let i = 0; i < count; i++, token++) if (!mine) masked[token * TOKEN.words + TOKEN.at.id] = NO_ID;
    }
    this.#parts.device.write(tables.tokens, masked);
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

/** `room`: ids that a row of logits has room for, `own`: the base's. */
function checkRoom(size: number, own: number, room: number): void {
  if (size <= room) return;
  throw new MoloraError("adapter_unsupported", `the adapter adds ${size - own} tokens to the vocabulary`, {
    remedy: `Start the engine with extraVocabulary ${size - own} (--extra-vocabulary); it has room for ${room - own}.`,
    details: { tokens: size, room },
  });
}
