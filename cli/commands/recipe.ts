// `molora recipe`: writes a recipe.json of adapters merged, stacked and routed, and says what one comes to.

import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { METHOD_NAMES, type MergeMethod } from "../../composition/merge/options.ts";
import { writeRecipe } from "../../composition/recipe/recipe.ts";
import { nodeHost } from "../../node/host.ts";
import type { RecipePartReport } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { type CommandContext, defineCommand } from "../command.ts";
import { TUNING_FLAGS, tuningOf } from "../composition/merge_flags.ts";
import { recipeParts } from "../composition/recipe_file.ts";
import { DEVICE_FLAGS, MODEL_FLAGS } from "../flags/common_flags.ts";
import { choice, number, text } from "../flags/flags.ts";
import { weightedAdapters } from "../flags/weighted_adapters.ts";
import { LOAD_FLAGS, loadEngine } from "../load.ts";
import { openBase } from "../open_base.ts";
import { FetchBar } from "../terminal/fetch_bar.ts";
import { table } from "../terminal/table.ts";
import { writeWhole } from "../whole_file.ts";

/** darex looks at texts, and a recipe has none. */
const METHODS = METHOD_NAMES.filter((method): method is Exclude<MergeMethod, "darex"> => method !== "darex");

const FLAGS = {
  model: MODEL_FLAGS.model,
  ...DEVICE_FLAGS,
  out: text("FILE", "make: the file to write", "recipe.json"),
  merge: weightedAdapters("make: an adapter that goes into the merged part, and its weight (default: 1)"),
  adapter: weightedAdapters("make: an adapter that every token takes, and its weight (default: 1)"),
  mixture: MODEL_FLAGS.mixture,
  name: text("NAME", "make: what the merged part is called", "merged"),
  weight: number("X", "make: what the merged part is multiplied by", {}, 1),
  method: choice(METHODS, "make: how the merged part becomes one, as in molora merge", "svd"),
  ...TUNING_FLAGS,
};
type Context = CommandContext<typeof FLAGS>;

export const command = defineCommand({
  name: "recipe",
  summary: "Put adapters together by name: merged, stacked and routed parts in one file",
  details: `
  molora recipe make --merge math=adapters/math:0.5 --merge sql=adapters/sql:0.5 --method ties_svd --name domain \\
    --adapter polite=adapters/polite:0.7 --adapter alice=adapters/alice --out alice.json
  molora recipe make --mixture skills=mixtures/default --adapter alice=adapters/alice --out alice.json
  molora recipe check alice.json
  molora serve --recipe alice=alice.json

Requests ask for it as the mixture "alice", over HTTP as the model BASE:alice. make reads every part and states its generation;
paths in the file count from its folder. check loads it on the device as serve would, merges included, and lists its parts.
`,
  flags: FLAGS,
  positionals: { placeholder: "make | check FILE", most: 2 },
  async run(context) {
    const [action, file] = context.positionals;
    if (action === "make" && file === undefined) return make(context);
    if (action === "check" && file !== undefined) return check(file, context);
    throw new MoloraError("bad_arguments", "it is not said what to do", {
      remedy: "Write molora recipe make --out FILE …, or molora recipe check FILE.",
    });
  },
});

async function make({ flags, output }: Context): Promise<void> {
  const { files } = await openBase(flags.model ?? "nano", output);
  const { merge, adapter, mixture, name, weight, method, out } = flags;
  const merged = { name, weight, method, tuning: tuningOf(flags) };
  const host = nodeHost(new FetchBar(output.streams.stderr).update);
  const parts = await recipeParts({ merge, merged, adapter, mixture }, out, host, files.config);
  await mkdir(dirname(out), { recursive: true });
  await writeWhole(out, writeRecipe({ parts }));
  output.print(`${out}: ${parts.map((part) => `${part.name} (${part.kind})`).join(", ")}`);
  output.result({ out, parts });
}

async function check(file: string, { flags, output }: Context): Promise<void> {
  const defaults = Object.fromEntries(Object.entries(LOAD_FLAGS).map(([key, flag]) => [key, flag.read([])]));
  const { model, device, threads } = flags;
  const load = { ...defaults, model, device, threads } as Parameters<typeof loadEngine>[0];
  const engine = await loadEngine({ ...load, recipe: [{ name: "recipe", path: file }] }, output);
  try {
    const report = engine.listMixtures().find(({ name }) => name === "recipe")!;
    output.print(`${file} ${report.hash.slice(0, 12)}, router: ${report.router}`);
    output.print(
      table(
        ["part", "kind", "weight", "generation", "of"],
        report.parts!.map((part) => row(part, report)),
      ),
    );
    output.result({ file, ...report });
  } finally {
    await engine.close();
  }
}

function row(part: RecipePartReport, { experts }: { experts: string[] }): string[] {
  const { name, kind, weight, hash, method, adapters } = part;
  const of = adapters?.map((adapter) => `${adapter.weight} ${adapter.name}`).join(" + ");
  const made = kind === "routed" ? experts.join(", ") : of === undefined ? "" : `${method}: ${of}`;
  return [name, kind, weight === undefined ? "gates" : String(weight), hash.slice(0, 12), made];
}
