// Model names as OpenAI's clients know them: the base by its own, adapters and mixtures as `base:name`.

import { basename } from "node:path";
import { inVain } from "../../engine/adapters/asked.ts";
import type { RecipePartReport, Routing } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { EnginePort, HttpEngine } from "../port.ts";
import type { HttpRequest } from "./router.ts";

/** The base's name: what the operator called it, or its folder's or file's stem ("nano", "SmolLM2-135M.Q8_0"). */
export function baseName(engine: EnginePort, given: string | undefined): string {
  return given ?? stemOf(engine.stats().model);
}

/** Of a base's folder or file. */
export function stemOf(model: string): string {
  return basename(model).replace(/\.gguf$/i, "");
}

/** One entry of `/v1/models`. `parent` is the base of an adapter or a mixture. */
export interface ModelCard {
  id: string;
  object: "model";
  created: number;
  owned_by: "molora";
  root: string;
  parent: string | null;
  /** `parts`: of a recipe. */
  molora: { kind: "base" | "adapter" | "mixture"; hash?: string; experts?: string[]; parts?: RecipePartReport[] };
}

/** That of a base alone. */
export function baseModel(base: string, created: number): ModelCard {
  const named = { id: base, object: "model", created, owned_by: "molora", root: base } as const;
  return { ...named, parent: null, molora: { kind: "base" } };
}

export function listModels(engine: EnginePort, base: string, created: number): ModelCard[] {
  const own = baseModel(base, created);
  const card = (id: string, molora: ModelCard["molora"]): ModelCard => ({ ...own, id, parent: base, molora });
  return [
    own,
    ...engine.listAdapters().map(({ name, hash }) => card(`${base}:${name}`, { kind: "adapter", hash })),
    ...engine
      .listMixtures()
      .map(({ name, hash, experts, parts }) =>
        card(`${base}:${name}`, { kind: "mixture", hash, experts, ...(parts === undefined ? {} : { parts }) }),
      ),
  ];
}

/**
 * What a model's name says about routing: `base`, `base:name`, or `base|address` of something in a source.
 *
 * @throws MoloraError `unknown_model`.
 */
export function resolveModel(engine: HttpEngine, base: string, model: string): Routing {
  if (model === base) return {};
  const text = nameIn(base, model);
  if (text !== undefined) {
    const name = engine.nameOf(text);
    const kind = engine.nameReport(name)?.kind;
    if (kind !== undefined) return kind === "adapter" ? { adapter: name } : { mixture: name };
  }
  const asked = text === undefined ? { places: [], againMs: 0 } : engine.asked(text);
  const known = listModels(engine, base, 0).map(({ id }) => id);
  // As vLLM's clients ask for an adapter.
  const meant = text === undefined && /^[\w.-]+$/.test(model) ? ` Adapters and mixtures go by ${base}:NAME.` : "";
  const more = known.length > MOST_SHOWN ? ` and ${known.length - MOST_SHOWN} more` : "";
  throw new MoloraError("unknown_model", `the model ${JSON.stringify(model.slice(0, 256))} does not exist`, {
    remedy: `The models are: ${known.slice(0, MOST_SHOWN).join(", ")}${more}.${meant}${inVain(asked)}`,
    details: {
      field: "model",
      known: known.slice(0, MOST_SHOWN),
      ...(asked.places.length === 0 ? {} : { asked: asked.places }),
    },
  });
}

/**
 * The same for the models that who asks may see, once the model that the body names was looked for in the engine's sources, if
 * nobody has loaded it.
 *
 * @throws MoloraError what a source throws
 */
export async function findResolver({ engine, base, body, signal }: HttpRequest): Promise<(model: string) => Routing> {
  const model = typeof body === "object" && body !== null && "model" in body ? body.model : undefined;
  const text = typeof model === "string" ? nameIn(base, model) : undefined;
  if (text !== undefined) await engine.findName(text, signal);
  return (name) => resolveModel(engine, base, name);
}

/** Models that a message lists. */
const MOST_SHOWN = 32;

function nameIn(base: string, model: string): string | undefined {
  const isNamed = model.startsWith(`${base}:`) || model.startsWith(`${base}|`);
  return isNamed && model.length > base.length + 1 ? model.slice(base.length + 1) : undefined;
}
