// What is read and held to references, as the README's table shows it: from the fixtures that the tests run on.
// test/fixtures/support.json names families and features of adapters; a new one is a row there.

import { existsSync, readFileSync } from "node:fs";
import { STORED, STORED_TYPES } from "../files/weights/stored/formats.ts";

export interface Support {
  families: { name: string; models: string[] }[];
  /** Folders below test/fixtures/packed. */
  packed: { name: string; models: string[] }[];
  /**
   * `verified`: folder below test/fixtures and name of an adapter whose numbers are compared; `refused`: fields of an
   * adapter_config.json that are refused by name.
   */
  adapters: { feature: string; verified?: string; refused?: Record<string, unknown> }[];
}

export const SUPPORT: Support = JSON.parse(readFileSync("test/fixtures/support.json", "utf8"));
const FAMILIES = "test/fixtures/families";
const YES = "verified";
/** Nothing shows it, so nothing is claimed. */
const NOT_SHOWN = "not tested";

/** Kinds of a model's uses whose numbers the tests compare. */
export function kindsOf(model: string): Set<string> {
  const uses = ["expected", "mixed"].flatMap((file): { kind: string }[] => {
    const path = `${FAMILIES}/models/${model}/${file}.json`;
    return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).uses : [];
  });
  return new Set(uses.map(({ kind }) => kind));
}

/** The Markdown between the README's two marks. */
export function supportTable(): string {
  const families = SUPPORT.families.map(({ name, models }) => {
    const kinds = kindsOf(models[0]);
    const gguf = models.some((model) => existsSync(`${FAMILIES}/gguf/${model}.gguf`));
    const shown = [kinds.has("base"), gguf, ...["single", "stacked", "routed"].map((kind) => kinds.has(kind))];
    return row([name, ...shown.map((is) => (is ? YES : NOT_SHOWN))]);
  });
  const types = (has: (type: (typeof STORED_TYPES)[number]) => unknown, name: (type: keyof typeof STORED) => string) =>
    STORED_TYPES.filter(has).map(name).join(", ");
  const adapters = (state: "verified" | "refused") =>
    SUPPORT.adapters
      .filter((entry) => entry[state] !== undefined)
      .map(({ feature }) => feature)
      .join("; ");
  return [
    row(["base", "safetensors", "GGUF", "one LoRA", "stacked", "routed"]),
    "|---|---|---|---|---|---|",
    ...families,
    "",
    row(["of every family", "verified", "refused by name"]),
    "|---|---|---|",
    row([
      "safetensors",
      types(
        (type) => STORED[type].safetensors,
        (type) => STORED[type].safetensors!,
      ),
      "all others",
    ]),
    row(["packed in safetensors", SUPPORT.packed.map(({ name }) => name).join(", "), "all others"]),
    row([
      "GGUF",
      types(
        (type) => STORED[type].ggml,
        (type) => STORED[type].ggml!.name,
      ),
      "all others",
    ]),
    row(["adapters", adapters("verified"), adapters("refused")]),
  ].join("\n");
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}
