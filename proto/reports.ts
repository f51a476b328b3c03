// What an engine reports: the adapters and mixtures it has, where they lie, and what it has done so far.

/** The content of a base, adapter or mixture that a request was pinned to, by its hash. */
export interface Generation {
  kind: "base" | "adapter" | "mixture";
  name: string;
  /** SHA-256 over its files, in hex. */
  hash: string;
}

/** The ids of an adapter that changes the base's embedding or output head. */
export interface VocabularyReport {
  /** How many; the base may have more or fewer. */
  tokens: number;
  /**
   * What spells them: a tokenizer of its own folder, the base's with tokens that its folder adds, or the base's, which knows
   * nothing of ids behind its own: those are reached as ids alone.
   */
  tokenizer: "own" | "extended" | "base";
}

/** An adapter that is loaded, and which modules of the base it extends. */
export interface AdapterReport {
  name: string;
  hash: string;
  /** Module paths ("layers.3.q_proj") that received a delta. */
  matched: string[];
  /** Tensors of the file that no module took (always empty on success). */
  unmatched: string[];
  /** Distinct ranks, ascending. */
  ranks: number[];
  /** Distinct effective scales (alpha / r, or alpha / sqrt r), ascending. */
  scales: number[];
  /** Bytes it takes on the device, without an embedding and a head of its own. */
  bytes: number;
  /** Where it has an embedding or an output head of its own. */
  vocabulary?: VocabularyReport;
}

/** A part of a recipe as it is served. */
export interface RecipePartReport {
  name: string;
  /** Adapters made into one, an adapter for every token, or a mixture. */
  kind: "merged" | "stacked" | "routed";
  /** The generation: of what was merged, that of the result. */
  hash: string;
  /** What its delta is multiplied by; absent where a router gives the gates. */
  weight?: number;
  /** How it was merged, and of what. */
  method?: string;
  adapters?: { name: string; hash: string; weight: number }[];
}

/** A mixture that is loaded, or a recipe, which is asked for in the same way. */
export interface MixtureReport {
  name: string;
  hash: string;
  /** Type of its router: "mlp", "arrow", "keys", "uniform" or "vocabulary"; "none" for a recipe without a mixture. */
  router: string;
  /** Names, in the order of the router's outputs. */
  experts: string[];
  /** Bytes its router takes on the device; its experts' adapters are counted apart. */
  bytes: number;
  /** Of a recipe, in its order. */
  parts?: RecipePartReport[];
}

/** How a router spread its choices in one layer. */
export interface LayerShare {
  /** Of the layer's choices, by expert; sums to 1, or to 0 where there were none. */
  share: number[];
  /** In nats: 0 where one expert took all, ln(experts) where all took the same. */
  entropy: number;
}

/** Where a generation lies, the fastest place first: in device pages, in host memory, or where it was read from. */
export type Tier = "device" | "host" | "source";

/** What a name stands for, and where that lies. */
export interface NameReport {
  kind: "adapter" | "mixture";
  name: string;
  /** SHA-256 over its files: the generation. */
  hash: string;
  tier: Tier;
  /** Bytes in the fastest tier below which it lies: of host memory; of a mixture its router's, without its adapters'. */
  bytes: number;
  /** Requests that hold it. */
  users: number;
  /** Stays in host memory. */
  pinned: boolean;
}

/** What was fetched and is kept on the disk of the engine's machine. */
export interface DiskReport {
  bytes: number;
  budget: number;
  files: number;
  /** Files that were asked for and found, and that were not. */
  hits: number;
  misses: number;
  /** Of those, the ones that were there and not whole. */
  damaged: number;
  /** Files that gave way to others. */
  evictions: number;
}

/** What of adapters lies where, and how often something had to move. */
export interface TierReport {
  device: { names: number; evictions: number };
  /** `budget`: bytes; absent: there is none. */
  host: { names: number; bytes: number; budget?: number; evictions: number };
  /** Absent: nothing is fetched. */
  disk?: DiskReport;
  /** Requests that wait for a load, loads so far, those that failed, and the seconds they took. */
  loads: { waiting: number; begun: number; failed: number; seconds: number };
}

/** How far the adapters that act at once agree in sign, over the last tokens of a stack, mixture or recipe. */
export interface AgreementReport {
  /** A recipe counts as a mixture. */
  kind: "stack" | "mixture";
  /** A stack's: its adapters' names, joined by "+". */
  name: string;
  /** Of a stack, and what a recipe stacks. */
  adapters: string[];
  /** Share of parameters without opposite signs, weighted by gates, over all layers in which two act. Chance gives .5. */
  agreement: number;
  /** The same in each layer; 1 where no two act. */
  layers: number[];
  /** Tokens generated under the generations at hand. */
  tokens: number;
}

/** Behind a new generation of an adapter, those that act at once agree less. */
export interface AgreementAlert {
  /** Milliseconds since 1970. */
  time: number;
  kind: "stack" | "mixture";
  name: string;
  adapters: string[];
  /** Agreement over the last tokens before the change, and the first behind it. */
  before: number;
  now: number;
  /** Where it fell most. */
  layer: { index: number; before: number; now: number };
  /** What is new. */
  generations: Generation[];
}

/** A point-in-time picture of the engine. */
export interface EngineStats {
  model: string;
  /** Requests that have a place in the batch. */
  running: number;
  /** Requests in line. */
  waiting: number;
  /** Steps run since the engine was loaded; tokens below likewise. */
  steps: number;
  promptTokens: number;
  generatedTokens: number;
  /** How often a running request was put back in line because pages ran out. */
  preemptions: number;
  /** Pages of the pool that KV and adapters share. */
  pagesTotal: number;
  /** Pages that nobody holds, those that keep a prefix among them. */
  pagesFree: number;
  /** Of the free pages, those that keep the KV of earlier requests for requests that begin alike. */
  pagesCached?: number;
  /** Pages of adapters and routers that nobody uses now; given up when pages run short. Not among the free ones. */
  pagesIdle?: number;
  /** Devices that took the place of a lost one. */
  revivals?: number;
  /** Generations that lost their pages to others. */
  evictions: number;
  /** Of stacks, mixtures and recipes that generated: how far their adapters agree in sign. */
  agreement?: AgreementReport[];
  /** The last times that such an agreement dropped, the oldest first. */
  alerts?: AgreementAlert[];
  /** `resident`: has pages now; `running`: requests that hold it; `tokens`: generated with it, by share of layers. */
  adapters: { name: string; hash: string; resident: boolean; running: number; tokens: number }[];
  /**
   * `share`: of (token, layer) choices, by expert; `layers`: the same within each layer, and its entropy in nats. `parts`: of a
   * recipe, with their generations, and tokens generated with what is merged or stacked.
   */
  mixtures: {
    name: string;
    hash: string;
    experts: string[];
    share: number[];
    layers: LayerShare[];
    parts?: { name: string; hash: string; tokens: number }[];
  }[];
}
