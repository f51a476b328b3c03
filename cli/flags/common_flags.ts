// The flags that several commands share: which model, adapters and mixtures to load, and which of them a text uses.

import type { DeviceOptions } from "../../engine/host.ts";
import type { Routing } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { FlagValues } from "./arguments.ts";
import { choice, integer, list, type NamedPath, namedPaths, text, toggle } from "./flags.ts";
import { nearest } from "./nearest.ts";

/** Flags that every command has. */
export const EVERYWHERE = {
  json: toggle("Print one JSON value on standard output, for machines"),
  help: toggle("Show this text"),
};

/** What computes. */
export const DEVICE_FLAGS = {
  device: choice(
    ["auto", "gpu", "cpu"],
    "What computes; auto: a hardware GPU where there is one, else the CPU",
    "auto",
  ),
  threads: integer("N", "Threads of the CPU device, and of merges (default: the cores this process may use)", {
    min: 1,
    max: 256,
  }),
};

/** The device's options out of the flags; those not given are left to the host. */
export function deviceOptions({ device, threads }: FlagValues<typeof DEVICE_FLAGS>): DeviceOptions {
  return { ...(device === "auto" ? {} : { device }), ...(threads === undefined ? {} : { threads }) };
}

/** Flags that say what to load and hold on the device. */
export const MODEL_FLAGS = {
  model: text("DIR|FILE.gguf|hf:REPO", "Base model: a Hugging Face folder or a GGUF file (default: the embedded nano)"),
  adapter: namedPaths("name=PATH|hf:REPO", "Load an adapter under a name"),
  mixture: namedPaths("name=DIR|hf:REPO", "Load a mixture (experts and their router) under a name"),
  dtype: choice(["auto", "f32", "f16", "q8_0", "q4_0"], "What dense weights are held in on the device", "auto"),
};

/** The flag that says which of the loaded adapters and mixtures a text uses. */
export const USE_FLAG = {
  use: list("SPEC", "base, an adapter's name, a=0.7,b=0.3 (stacked) or a mixture's name"),
};

/** The names that a SPEC can mean. */
export interface KnownNames {
  adapters: string[];
  mixtures: string[];
}

/**
 * Checks that no name is given twice: adapters, mixtures, recipes and "base" share one space, or a SPEC could mean two things.
 *
 * @throws MoloraError `bad_arguments`
 */
export function checkNames(adapters: NamedPath[], mixtures: NamedPath[], recipes: NamedPath[] = []): void {
  const kinds = [
    ...adapters.map(({ name }) => ({ name, kind: "an adapter" })),
    ...mixtures.map(({ name }) => ({ name, kind: "a mixture" })),
    ...recipes.map(({ name }) => ({ name, kind: "a recipe" })),
  ];
  const clash = kinds.find(({ name }, i) => name === "base" || kinds.findIndex((other) => other.name === name) < i);
  if (clash === undefined) return;
  const first = kinds.find(({ name }) => name === clash.name)!;
  const message =
    clash.name === "base"
      ? `"base" always means the base model`
      : `"${clash.name}" names ${first.kind} and ${clash.kind}`;
  throw new MoloraError("bad_arguments", message, { remedy: "Give it another name: --adapter other=PATH." });
}

/**
 * The routing that a SPEC means.
 *
 * @throws MoloraError `bad_arguments` for a name that is not loaded, or a weight that is no number.
 */
export function parseUse(spec: string, known: KnownNames): Routing {
  if (spec === "base") return {};
  if (known.adapters.includes(spec)) return { adapter: spec };
  if (known.mixtures.includes(spec)) return { mixture: spec };
  if (!spec.includes("=")) throw unknownName(spec, spec, ["base", ...known.adapters, ...known.mixtures]);
  const adapters = spec.split(",").map((part) => {
    const at = part.lastIndexOf("=");
    const [id, weightText] = [part.slice(0, at), part.slice(at + 1).trim()];
    if (!known.adapters.includes(id)) throw unknownName(spec, id, known.adapters);
    const weight = weightText === "" ? Number.NaN : Number(weightText);
    if (!Number.isFinite(weight)) {
      throw new MoloraError("bad_arguments", `--use ${spec}: the weight of ${id} is no number: "${weightText}"`, {
        remedy: "Write a stack as a=0.7,b=0.3.",
      });
    }
    return { id, weight };
  });
  return { adapters };
}

function unknownName(spec: string, name: string, names: string[]): MoloraError {
  const best = nearest(name, names);
  const loaded = names.length === 0 ? "No adapter is loaded." : `Loaded are: ${names.join(", ")}.`;
  return new MoloraError("bad_arguments", `--use ${spec}: nothing is loaded under the name "${name}"`, {
    remedy: `${best === undefined ? "" : `Did you mean ${best}? `}${loaded}`,
    details: { name, loaded: names },
  });
}
