// `molora make-router`: mixtures that need no training.
// Only keys need a device: they are made from what the base reads in texts.

import { BASE_NAME } from "../../files/lora/names.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { Router } from "../../router/mixture.ts";
import { defineCommand } from "../command.ts";
import type { FlagValues } from "../flags/arguments.ts";
import { MAKE_ROUTER_FLAGS } from "../flags/make_router_flags.ts";
import { openBase } from "../open_base.ts";
import { writeKeyMixture } from "../training/key_mixture.ts";
import { type WrittenExpert, writeMixtureFolder } from "../training/mixture_folder.ts";
import { expertIndex, gatherExperts } from "../training/router_experts.ts";

export const command = defineCommand({
  name: "make-router",
  summary: "Write a mixture whose router needs no training: arrow, keys, uniform or vocabulary",
  details: `
  arrow        each layer picks the adapter whose q, k, v deltas react most to the token (training-free)
  keys         the adapter whose key the token is near, made from texts of each; else --default, which is the base
  uniform      every adapter, with equal weight
  vocabulary   by the token's id: --range 0..1000=math --range 1000..2000=sql --default base

  molora make-router --type arrow --adapter math=adapters/math --adapter sql=adapters/sql --out mixtures/arrow
  molora make-router --type keys --adapter sql=adapters/sql --data sql=sql.jsonl --data base=prose.jsonl --out keyed
  molora make-router --type keys --extend keyed --adapter fix=adapters/fix --data fix=fix.jsonl --out edited
  molora make-router --type keys --extend edited --remove fix --out keyed-again

Adding an expert to a mixture of keys changes no key that is there, and removing it gives back the same files.
`,
  flags: MAKE_ROUTER_FLAGS,
  async run({ flags, output }) {
    const { out } = flags;
    if (out === undefined) throw new MoloraError("bad_arguments", "--out is missing");
    checkKeyFlags(flags);
    const { files, preset } = await openBase(flags.model ?? "nano", output);
    const { type } = flags;
    if (type === "keys") return writeKeyMixture(out, flags, files, output);
    const brought = flags.adapter.length === 0 ? Object.entries(preset?.adapters ?? {}) : [];
    const given = [...flags.adapter, ...brought.map(([name, path]) => ({ name, path }))];
    if (given.length === 0) throw new MoloraError("bad_arguments", "--adapter is missing");
    const { experts: adapted } = await gatherExperts(files.config, given, undefined, output);
    const experts: WrittenExpert[] = [...(flags.base ? [{ name: BASE_NAME }] : []), ...adapted];
    const router = routerOf(
      { ...flags, type },
      experts.map(({ name }) => name),
      files.config.vocabSize,
    );
    await writeMixtureFolder(out, files.config, experts, router);
    output.print(`The mixture lies in ${out}.`);
    output.result({ out, experts: experts.map(({ name }) => name), router: router.type });
  },
});

/** Flags of one type are not for another. @throws MoloraError `bad_arguments` */
function checkKeyFlags({ type, data, extend, remove, threshold }: FlagValues<typeof MAKE_ROUTER_FLAGS>): void {
  if (type === "keys") return;
  const given = {
    "--data": data.length > 0,
    "--extend": extend,
    "--remove": remove.length > 0,
    "--threshold": threshold,
  };
  const [wrong] = Object.entries(given).find(([, value]) => value !== undefined && value !== false) ?? [];
  if (wrong !== undefined) throw new MoloraError("bad_arguments", `${wrong} is for --type keys, not ${type}`);
}

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
      return { type, ranges, default: flags.default === undefined ? 0 : expertIndex(flags.default, experts) };
    }
  }
}

function readRange(range: string, experts: readonly string[], vocabSize: number): [number, number, number] {
  const [, from, to, name] = /^(\d+)\.\.(\d+)=(.+)$/.exec(range) ?? [];
  if (name === undefined || Number(from) >= Number(to) || Number(to) > vocabSize) {
    throw new MoloraError("bad_arguments", `--range ${range} is not FROM..TO=EXPERT with FROM < TO ≤ ${vocabSize}`);
  }
  return [Number(from), Number(to), expertIndex(name, experts)];
}
