// The flags of `molora make-router`.

import { dataFlag } from "../training/labelled_data.ts";
import { DEVICE_FLAGS, MODEL_FLAGS } from "./common_flags.ts";
import { choice, integer, list, number, text, toggle } from "./flags.ts";

export const MAKE_ROUTER_FLAGS = {
  model: MODEL_FLAGS.model,
  adapter: MODEL_FLAGS.adapter,
  type: choice(["arrow", "keys", "uniform", "vocabulary"], "How experts are chosen", "arrow"),
  out: text("DIR", "Where to write the mixture"),
  base: toggle("Put the base among the experts, as the first"),
  topK: integer("K", "arrow, keys: experts kept a token", { min: 1 }, 1),
  gate: choice(["unit", "softmax"], "arrow, keys: weights of the kept: equal, or by their share", "unit"),
  temperature: number("X", "arrow, keys: of the share", { min: 1e-6 }, 1),
  range: list("FROM..TO=EXPERT", "vocabulary: token ids FROM up to TO, not included"),
  default: text("EXPERT", "For what nothing else is chosen (default: vocabulary, the first expert; keys, the base)"),
  data: dataFlag("keys: texts of each new adapter; of base, what no key should meet"),
  texts: integer("N", "keys: most texts of an adapter", { min: 1 }, 64),
  length: integer("N", "keys: tokens a text is cut at", { min: 8 }, 256),
  memory: number("X", "keys: a token is judged with the last 1 / (1 - X) before it; 0: alone", { min: 0, max: 1 }, 0.9),
  recall: number("X", "keys: share of an adapter's own tokens that meet its key", { min: 0, max: 1 }, 0.9),
  threshold: number("X", "keys: the least cosine of every new key, instead of --recall"),
  extend: text("DIR", "keys: a mixture of keys to add the --adapter to, or to --remove experts of"),
  remove: list("EXPERT", "keys: an expert of --extend to leave out"),
  seed: integer("N", "keys: of the texts drawn", { min: 0 }, 0),
  dtype: MODEL_FLAGS.dtype,
  ...DEVICE_FLAGS,
};
