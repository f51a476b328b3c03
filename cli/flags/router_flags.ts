// The flags of `molora train-router`.

import { dataFlag, ON_BAD_ROW } from "../training/labelled_data.ts";
import type { Flag } from "./arguments.ts";
import { DEVICE_FLAGS, MODEL_FLAGS } from "./common_flags.ts";
import { choice, integer, list, number, text, toggle } from "./flags.ts";

export const ROUTER_FLAGS = {
  model: MODEL_FLAGS.model,
  dtype: MODEL_FLAGS.dtype,
  ...DEVICE_FLAGS,
  adapter: MODEL_FLAGS.adapter,
  data: dataFlag("Rows to train on"),
  valid: list("[domain=]FILE", "Held-out rows for the curve and the report"),
  out: text("DIR", "Where to write the mixture, its report and checkpoints"),
  objective: choice(
    ["domain", "distill", "lm"],
    "What is learned: rows' domains, the experts' losses, or end to end the language-model loss (from --start)",
    "domain",
  ),
  window: integer("N", "distill: tokens ahead that an expert's loss is averaged over", { min: 1 }, 16),
  tau: number("X", "distill: temperature of the targets, in nats a token", { min: 1e-3 }, 0.3),
  completions: number("X", "domain: weight of a completion's tokens; others weigh 1", { min: 0 }, 1),
  start: text("DIR", "lm: the trained mixture to begin from; its experts and its gate rule stay"),
  lossOn: choice(["all", "completions"], "lm: tokens whose loss is lowered", "all"),
  balance: number("X", "lm: weight of Switch's load-balancing loss", { min: 0 }, 0),
  zLoss: number("X", "lm: weight of the router z-loss", { min: 0 }, 0),
  mix: mixFlag("A..B", "Rows composed into one text, neighbours of different domains (default: 1..4)"),
  length: integer("N", "Tokens a text is cut at", { min: 8 }, 256),
  steps: integer("N", "Steps to train (default: 400)", { min: 1 }),
  tokens: integer("N", "Tokens to train on, instead of --steps", { min: 1 }),
  batch: integer("N", "Texts a step", { min: 1 }, 8),
  lr: number("X", "Highest learning rate (default: 2e-3; lm: 5e-4)", { min: 0 }),
  warmup: integer("N", "Steps until it is reached; then a cosine down to zero", { min: 0 }, 10),
  decay: number("X", "AdamW's weight decay", { min: 0 }, 0),
  clip: number("X", "Gradients of a larger norm are scaled down to it", { min: 1e-6 }, 1),
  hidden: integer("N", "Width of the gates' hidden layer, a multiple of 4", { min: 4 }, 64),
  memoryless: toggle("Train a router without belief, to compare with"),
  extend: text("DIR", "A trained mixture to add the --adapter to"),
  train: choice(["new", "all"], "--extend: train the new experts' rows only, or everything", "new"),
  seed: integer(
    "N",
    "Of the start, the texts drawn and the report: the same run again, bit for bit, on the same device",
    { min: 0 },
    0,
  ),
  atOnce: integer("N", "Texts of a step that are on the device side by side; more take more memory", { min: 1 }, 4),
  validEvery: integer("N", "Steps between looks at the validation texts", { min: 1 }, 50),
  checkpointEvery: integer("N", "Steps between checkpoints", { min: 1 }, 50),
  resume: toggle("Go on from the last checkpoint in --out"),
  onBadRow: ON_BAD_ROW,
  texts: integer("N", "Mixed texts of the report; of every single domain a quarter as many", { min: 1 }, 64),
  noReport: toggle("Leave out the comparison with simpler policies at the end"),
};

function mixFlag(placeholder: string, summary: string): Flag<[number, number]> {
  return {
    kind: "text",
    summary,
    placeholder,
    read: ([given]) => {
      const [, least, most] = /^(\d+)(?:\.\.(\d+))?$/.exec(given ?? "1..4") ?? [];
      const mix: [number, number] = [Number(least), Number(most ?? least)];
      if (least === undefined || mix[0] < 1 || mix[1] < mix[0]) throw new Error(`must be like 2..4, not ${given}`);
      return mix;
    },
  };
}
