// `molora make-router`: mixtures that need no training.
// It opens no device.

import { BASE_NAME } from "../../files/lora/names.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { Router } from "../../router/mixture.ts";
import { defineCommand } from "../command.ts";
import { MODEL_FLAGS } from "../flags/common_flags.ts";
import { choice, integer, list, number, text, toggle } from "../flags/flags.ts";
import { openBase } from "../open_base.ts";
import { type WrittenExpert, writeMixtureFolder } from "../training/mixture_folder.ts";
import { gatherExperts } from "../training/router_experts.ts";

export const command = defineCommand({
  name: "make-router",
  summary: "Write a mixture whose router needs no training: arrow, uniform or vocabulary",
  details: `
  arrow        each layer picks the adapter whose q, k, v deltas react most to the token (training-free)
  uniform      every adapter, with equal weight
  vocabulary   by the token's id: --range 0..1000=math --range 1000..2000=sql --default base

  molora make-router --type arrow --adapter math=adapters/math --adapter sql=adapters/sql --out mixtures/arrow
`,
  flags: {
    model: MODEL_FLAGS.model,
    adapter: MODEL_FLAGS.adapter,
    type: choice(["arrow", "uniform", "vocabulary"], "How experts are chosen", "arrow"),
    out: text("DIR", "Where to write the mixture"),
    base: toggle("Put the base among the experts, as the first"),
    topK: integer("K", "arrow: experts kept a token", { min: 1 }, 1),
    gate: choice(["unit", "softmax"], "arrow: weights of the kept: equal, or by their share", "unit"),
    temperature: number("X", "arrow: of the share", { min: 1e-6 }, 1),
    range: list("FROM..TO=EXPERT", "vocabulary: token ids FROM up to TO, not included"),
    default: text("EXPERT", "vocabulary: for all other ids (default: the first expert)"),
  },
  async run({ flags, output }) {
    const { out } = flags;
    if (out === undefined) throw new MoloraError("bad_arguments", "--out is missing");
    const { files, preset } = await openBase(flags.model ?? "nano", output);
    const brought = flags.adapter.length === 0 ? Object.entries(preset?.adapters ?? {}) : [];
    const given = [...flags.adapter, ...brought.map(([name, path]) => ({ name, path }))];
    if (given.length === 0) throw new MoloraError("bad_arguments", "--adapter is missing");
    const { experts: adapted } = await gatherExperts(files.config, given, undefined, output);
    const experts: WrittenExpert[] = [...(flags.base ? [{ name: BASE_NAME }] : []), ...adapted];
    const router = routerOf(
      flags,
      experts.map(({ name }) => name),
      files.config.vocabSize,
    );
    await writeMixtureFolder(out, files.config, experts, router);
    output.print(`The mixture lies in ${out}.`);
    output.result({ out, experts: experts.map(({ name }) => name), router: router.type });
  },
});

interface RouterChoice {
  type: "arrow" | "uniform" | "vocabulary";
  topK: number;
  gate: "unit" | "softmax";
  temperature: number;
  range: readonly string[];
  default: string | undefined;
}

function routerOf(flags: RouterChoice, experts: readonly string[], vocabSize: number): Router {
  const { type, topK, gate, temperature } = flags;
  switch (type) {
    case "uniform":
      return { type, topK: experts.length, gate: "unit", temperature: 1 };
    case "arrow":
      if (topK > experts.length) {
        throw new MoloraError("bad_arguments", `--top-k ${topK}: there are ${experts.length} experts`);
      }
      return { type, topK, gate, temperature };
    case "vocabulary": {
      const ranges = flags.range.map((range) => readRange(range, experts, vocabSize)).sort((a, b) => a[0] - b[0]);
      const overlap = ranges.find((range, i) => i > 0 && range[0] < ranges[i - 1][1]);
      if (overlap !== undefined) {
        throw new MoloraError("bad_arguments", `two --range hold the token ${overlap[0]}`);
      }
      return { type, ranges, default: flags.default === undefined ? 0 : indexOf(flags.default, experts) };
    }
  }
}

function readRange(range: string, experts: readonly string[], vocabSize: number): [number, number, number] {
  const [, from, to, name] = /^(\d+)\.\.(\d+)=(.+)$/.exec(range) ?? [];
  if (name === undefined || Number(from) >= Number(to) || Number(to) > vocabSize) {
    throw new MoloraError("bad_arguments", `--range ${range} is not FROM..TO=EXPERT with FROM < TO ≤ ${vocabSize}`);
  }
  return [Number(from), Number(to), indexOf(name, experts)];
}

function indexOf(name: string, experts: readonly string[]): number {
  const index = experts.indexOf(name);
  if (index >= 0) return index;
  throw new MoloraError("bad_arguments", `no expert is named "${name}"`, {
    remedy: `There are: ${experts.join(", ")}.${name === BASE_NAME ? " --base adds the base." : ""}`,
  });
}
