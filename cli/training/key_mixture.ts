// `make-router --type keys`: which experts a mixture of keys has in the end, and its folder.

import { BASE_NAME } from "../../files/lora/names.ts";
import type { ModelFiles } from "../../files/model_files/model_files.ts";
import { MoloraError } from "../../proto/errors.ts";
import type { FlagValues } from "../flags/arguments.ts";
import { deviceOptions } from "../flags/common_flags.ts";
import type { MAKE_ROUTER_FLAGS } from "../flags/make_router_flags.ts";
import type { Output } from "../terminal/output.ts";
import { type KeyedRouter, makeKeyRouter, withoutExperts } from "./key_router.ts";
import { type WrittenExpert, writeMixtureFolder } from "./mixture_folder.ts";
import { expertIndex, gatherExperts } from "./router_experts.ts";
import { percent } from "./routing_report.ts";

type Flags = FlagValues<typeof MAKE_ROUTER_FLAGS>;

/**
 * Writes a new mixture of keys, or one with experts added to or taken out of `--extend`.
 *
 * @throws MoloraError `bad_arguments` for flags that do not go together, and as reading adapters and data does.
 */
export async function writeKeyMixture(out: string, flags: Flags, files: ModelFiles, output: Output): Promise<void> {
  const { extend, remove, topK, gate, temperature } = flags;
  if (remove.length > 0 && extend === undefined) {
    throw new MoloraError("bad_arguments", "--remove is given without --extend");
  }
  if (flags.adapter.length === 0 && remove.length === 0) {
    throw new MoloraError("bad_arguments", "--adapter is missing");
  }
  const gathered = await gatherExperts(files.config, flags.adapter, extend, output);
  const old = gathered.extended?.router;
  if (old !== undefined && old.type !== "keys") {
    throw new MoloraError("bad_arguments", `--extend ${extend}: its router is of type "${old.type}", not "keys"`);
  }
  const all: WrittenExpert[] = [...(old === undefined ? [{ name: BASE_NAME }] : []), ...gathered.experts];
  const names = all.map(({ name }) => name);
  const gone = remove.map((name) => expertIndex(name, names));
  const fallback = flags.default ?? names[old?.default ?? 0];
  if (remove.includes(fallback)) {
    throw new MoloraError("bad_arguments", `--remove ${fallback}: it serves what meets no key`, {
      remedy: "Name another one: --default EXPERT.",
    });
  }
  if (topK > all.length - gone.length) {
    throw new MoloraError("bad_arguments", `--top-k ${topK}: there are ${all.length - gone.length} experts`);
  }
  const rule =
    old === undefined ? { topK, gate, temperature } : { topK: old.topK, gate: old.gate, temperature: old.temperature };
  const { data, texts, length, seed, memory, dtype, recall } = flags;
  const threshold = flags.threshold ?? { recall };
  const made = await makeKeyRouter(
    files,
    {
      experts: names,
      extended: old,
      default: expertIndex(fallback, names),
      rule,
      ...{ data, texts, length, seed, memory, dtype, threshold, on: deviceOptions(flags) },
    },
    output,
  );
  const kept = names.map((_, e) => e).filter((e) => !gone.includes(e));
  const router: KeyedRouter = {
    ...made.router,
    default: kept.indexOf(made.router.default),
    layers: withoutExperts(made.router.layers, kept),
  };
  const experts = kept.map((e) => all[e]);
  await writeMixtureFolder(out, files.config, experts, router);
  const reports = made.reports.map(({ expert, ...shares }) => ({ expert: names[expert], ...shares }));
  for (const { expert, met, mistaken } of reports) {
    const others = mistaken === undefined ? "" : `, ${percent(mistaken)} of the others'`;
    output.print(`${expert}: ${percent(met)} of its own tokens meet its key${others} (mean over layers)`);
  }
  output.print(`The mixture lies in ${out}.`);
  output.result({ out, experts: experts.map(({ name }) => name), router: router.type, keys: reports });
}
