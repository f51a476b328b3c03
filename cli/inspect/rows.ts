// An inspection as a person reads it.

import { formatBytes } from "../terminal/progress.ts";
import type { AdapterFacts, BaseFacts, Inspection, MixtureFacts, RecipeFacts, RecipeSource } from "./inspection.ts";

type Row = [string, string];

const KINDS = { base: "a base model", adapter: "an adapter", mixture: "a mixture", recipe: "a recipe" };

/** Label and value, top to bottom. */
export function inspectionRows(found: Inspection): Row[] {
  const { kind, base, adapter, mixture, recipe } = found;
  return [
    ["what", kind === null ? "nothing that is known here" : KINDS[kind]],
    ["files", `${found.files.length}, ${formatBytes(found.bytes)}`],
    ...(base === null ? [] : baseRows(base)),
    ...(adapter === null ? [] : adapterRows(adapter)),
    ...(mixture === null ? [] : mixtureRows(mixture)),
    ...(recipe === null ? [] : recipeRows(recipe)),
    ...found.remarks.map((remark): Row => ["note", remark]),
    ...found.use.map((use): Row => ["use", use]),
  ];
}

function baseRows({ architecture, format, parameters, types, shape, tokenizer, generation }: BaseFacts): Row[] {
  const stored = types.map(({ type, read }) => `${type.toUpperCase()}${read ? "" : " (not read)"}`).join(", ");
  const rows: Row[] = [
    ["architecture", architecture ?? "not stated"],
    ["weights", `${format}: ${count(parameters)} parameters in ${stored}`],
  ];
  if (shape !== null) {
    const { layers, hiddenSize, heads, kvHeads, headDim, experts, vocabulary, context } = shape;
    const attention = `${heads} heads of ${headDim}${kvHeads === heads ? "" : ` (${kvHeads} for keys and values)`}`;
    const width = `${layers} layers of ${hiddenSize}, ${attention}`;
    rows.push(["shape", `${width}${experts === null ? "" : `, ${experts} experts`}`]);
    rows.push(["sequence", `up to ${context} tokens of ${vocabulary}`]);
  }
  if (tokenizer !== null) {
    const { kind, tokens, chatTemplate, tools, thinks } = tokenizer;
    const chat = chatTemplate ? `chat template${tools === null ? "" : `, tools as ${tools}`}` : "no chat template";
    rows.push(["tokenizer", `${kind} of ${tokens} tokens; ${chat}${thinks ? ", thinks" : ""}`]);
  }
  const settings = Object.entries(generation).map(([name, value]) => `${name} ${value}`);
  if (settings.length > 0) rows.push(["sampling", settings.join(", ")]);
  return rows;
}

function adapterRows(facts: AdapterFacts): Row[] {
  const { format, ranks, alpha, modules, layers, hiddenSize, baseModel, parameters } = facts;
  const { activated, vocabulary, tokenizer } = facts;
  const scale = alpha === null ? "" : `, alpha ${alpha}`;
  const width = hiddenSize === null ? "" : ` and a hidden size of ${hiddenSize}`;
  return [
    ["format", `${format}: ${count(parameters)} parameters, rank ${ranks.join(", ") || "unknown"}${scale}`],
    ["extends", modules.join(", ") || "no module that is known"],
    ...(activated ? [["acts", "from its invocation in the prompt on"] satisfies Row] : []),
    ...(vocabulary === null
      ? []
      : [["tokens", `${vocabulary} of its own, ${tokenizer ? "with a tokenizer" : "and no tokenizer"}`] satisfies Row]),
    ["fits", `a base with at least ${layers} layers${width}`],
    ["made for", baseModel ?? "not stated"],
  ];
}

function mixtureRows({ router, experts, baseModel }: MixtureFacts): Row[] {
  const named = experts.map(({ name, adapter }) => (adapter === null ? name : `${name} (${adapter})`));
  const base = baseModel && `${baseModel.architecture} with ${baseModel.layers} layers of ${baseModel.hiddenSize}`;
  return [
    ["router", router ?? "unknown"],
    ["experts", named.join(", ")],
    ["fits", base ?? "unknown"],
  ];
}

function recipeRows({ parts }: RecipeFacts): Row[] {
  const rows = parts.map(({ name, kind, weight, method, of }): Row => {
    const how = { merged: ` by ${method}`, stacked: "", routed: "" }[kind];
    const at = weight === null ? "" : ` at ${weight}`;
    return ["part", `${name}: ${kind}${how}${at}: ${of.map(sourceText).join(kind === "merged" ? " + " : ", ")}`];
  });
  const sizes = new Map(parts.flatMap(({ of }) => of.map(({ path, bytes }) => [path, bytes ?? 0])));
  const whole = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
  return [...rows, ["parts' files", formatBytes(whole)]];
}

function sourceText({ name, path, weight, bytes }: RecipeSource): string {
  const size = bytes === null ? "" : `, ${formatBytes(bytes)}`;
  return `${weight === null ? "" : `${weight} `}${name}${path === null ? "" : ` (${path}${size})`}`;
}

/** "134.5 M" */
function count(amount: number): string {
  if (amount < 1e6) return String(amount);
  return amount < 1e9 ? `${(amount / 1e6).toFixed(1)} M` : `${(amount / 1e9).toFixed(2)} G`;
}
