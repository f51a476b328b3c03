// The contract of what an engine reports (reports.ts), as contract.ts has that of messages.

import type {
  AdapterReport,
  AgreementAlert,
  AgreementReport,
  EngineStats,
  Generation,
  LayerShare,
  MixtureReport,
  RecipePartReport,
  VocabularyReport,
} from "./reports.ts";
import { boolean, double, list, may, need, object, oneOf, string, uint32, uint53 } from "./schema.ts";

export const generation = object<Generation>("Generation", {
  kind: need(1, oneOf("base", "adapter", "mixture")),
  name: need(2, string()),
  hash: need(3, string()),
});
const vocabularyReport = object<VocabularyReport>("VocabularyReport", {
  tokens: need(1, uint32()),
  tokenizer: need(2, oneOf("own", "extended", "base")),
});
export const adapterReport = object<AdapterReport>("AdapterReport", {
  name: need(1, string()),
  hash: need(2, string()),
  matched: need(3, list(string())),
  unmatched: need(4, list(string())),
  ranks: need(5, list(uint32())),
  scales: need(6, list(double())),
  bytes: need(7, uint53()),
  vocabulary: may(8, vocabularyReport),
});
const recipePartReport = object<RecipePartReport>("RecipePartReport", {
  name: need(1, string()),
  kind: need(2, oneOf("merged", "stacked", "routed")),
  hash: need(3, string()),
  weight: may(4, double()),
  method: may(5, string()),
  adapters: may(
    6,
    list(
      object<NonNullable<RecipePartReport["adapters"]>[number]>("MergedAdapter", {
        name: need(1, string()),
        hash: need(2, string()),
        weight: need(3, double()),
      }),
    ),
  ),
});
export const mixtureReport = object<MixtureReport>("MixtureReport", {
  name: need(1, string()),
  hash: need(2, string()),
  router: need(3, string()),
  experts: need(4, list(string())),
  bytes: need(5, uint53()),
  parts: may(6, list(recipePartReport)),
});
const layerShare = object<LayerShare>("LayerShare", {
  share: need(1, list(double())),
  entropy: need(2, double()),
});
const recipePartStats = object<NonNullable<EngineStats["mixtures"][number]["parts"]>[number]>("RecipePartStats", {
  name: need(1, string()),
  hash: need(2, string()),
  tokens: need(3, uint53()),
});
const agreementReport = object<AgreementReport>("AgreementReport", {
  kind: need(1, oneOf("stack", "mixture")),
  name: need(2, string()),
  adapters: need(3, list(string())),
  agreement: need(4, double()),
  layers: need(5, list(double())),
  tokens: need(6, uint53()),
});
const agreementAlert = object<AgreementAlert>("AgreementAlert", {
  time: need(1, uint53()),
  kind: need(2, oneOf("stack", "mixture")),
  name: need(3, string()),
  adapters: need(4, list(string())),
  before: need(5, double()),
  now: need(6, double()),
  layer: need(
    7,
    object<AgreementAlert["layer"]>("AlertLayer", {
      index: need(1, uint32()),
      before: need(2, double()),
      now: need(3, double()),
    }),
  ),
  generations: need(8, list(generation)),
});
export const engineStats = object<EngineStats>("EngineStats", {
  model: need(1, string()),
  running: need(2, uint32()),
  waiting: need(3, uint32()),
  steps: need(4, uint53()),
  promptTokens: need(5, uint53()),
  generatedTokens: need(6, uint53()),
  preemptions: need(7, uint53()),
  pagesTotal: need(8, uint53()),
  pagesFree: need(9, uint53()),
  adapters: need(
    10,
    list(
      object<EngineStats["adapters"][number]>("AdapterStats", {
        name: need(1, string()),
        hash: need(2, string()),
        resident: need(3, boolean()),
        running: need(4, uint32()),
        tokens: need(5, uint53()),
      }),
    ),
  ),
  mixtures: need(
    11,
    list(
      object<EngineStats["mixtures"][number]>("MixtureStats", {
        name: need(1, string()),
        hash: need(2, string()),
        experts: need(3, list(string())),
        share: need(4, list(double())),
        layers: need(5, list(layerShare)),
        parts: may(6, list(recipePartStats)),
      }),
    ),
  ),
  evictions: need(12, uint53()),
  pagesCached: may(13, uint53()),
  pagesIdle: may(14, uint53()),
  agreement: may(15, list(agreementReport)),
  alerts: may(16, list(agreementAlert)),
  revivals: may(17, uint53()),
});
