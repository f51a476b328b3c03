// What `molora inspect` finds out, as its --json prints it.

import type { MoloraError } from "../../proto/errors.ts";

export type Kind = "base" | "adapter" | "mixture" | "recipe";

export interface Inspection {
  /** As it was named; of a hub with the commit. */
  path: string;
  /** Null: none of what is known. */
  kind: Kind | null;
  /** Files directly inside, or the file itself. */
  files: { path: string; bytes: number }[];
  bytes: number;
  /** Whether it would be loaded; of all but a base: onto a base that fits. */
  loads: boolean;
  /** The flags that load it, or one of several choices. */
  use: string[];
  base: BaseFacts | null;
  adapter: AdapterFacts | null;
  mixture: MixtureFacts | null;
  recipe: RecipeFacts | null;
  /** Why it does not load, part by part. */
  problems: Problem[];
  /** What may surprise. */
  remarks: string[];
}

export interface Problem {
  /** "weights", "config", "tokenizer", … */
  part: string;
  code: string;
  message: string;
  remedy: string | null;
}

export interface BaseFacts {
  format: "safetensors" | "GGUF";
  /** As the files state it: transformers' class or GGUF's architecture. */
  architecture: string | null;
  /** Elements of all tensors. */
  parameters: number;
  tensors: number;
  /** Elements by stored type, as the file calls it, most first. */
  types: { type: string; elements: number; read: boolean }[];
  shape: BaseShape | null;
  tokenizer: TokenizerFacts | null;
  /** What the model's makers sample with. */
  generation: Record<string, number>;
}

/** What adapters and mixtures must fit. */
export interface BaseShape {
  layers: number;
  hiddenSize: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocabulary: number;
  context: number;
  experts: number | null;
}

export interface TokenizerFacts {
  kind: string;
  tokens: number;
  chatTemplate: boolean;
  /** How its template writes calls of tools; null: it lists none, and they are explained in the system turn. */
  tools: string | null;
  /** Its template knows of thinking. */
  thinks: boolean;
}

export interface AdapterFacts {
  format: string;
  /** The base that it was made for, by its own words. */
  baseModel: string | null;
  ranks: number[];
  alpha: number | null;
  /** Last segments of the extended modules' paths. */
  modules: string[];
  /** One more than the highest layer that it extends. */
  layers: number;
  /** By its q_proj, else any other module that reads the residual. */
  hiddenSize: number | null;
  parameters: number;
  /** It acts from its invocation in the prompt on. */
  activated: boolean;
  /** Rows of an embedding or an output head of its own: it may have more tokens than its base. */
  vocabulary: number | null;
  /** Files beside it spell its tokens. */
  tokenizer: boolean;
}

export interface MixtureFacts {
  baseModel: { architecture: string; hiddenSize: number; layers: number } | null;
  router: string | null;
  experts: { name: string; adapter: string | null }[];
}

export interface RecipeFacts {
  parts: {
    name: string;
    kind: "stacked" | "merged" | "routed";
    /** Null: a router's gates. */
    weight: number | null;
    /** How several adapters become one. */
    method: string | null;
    of: RecipeSource[];
  }[];
}

/** An adapter, or a mixture with the adapters of its experts behind it. */
export interface RecipeSource {
  name: string;
  /** As the file that names it has it; null: the adapter that an engine has under this name. */
  path: string | null;
  /** In a merge. */
  weight: number | null;
  /** Of its files; null where they cannot be found. */
  bytes: number | null;
  /** The generation that it must be. */
  sha256: string | null;
}

export function problem(part: string, { code, message, remedy }: MoloraError): Problem {
  return { part, code, message, remedy: remedy ?? null };
}
