// `molora compress`: many adapters as a few shared factors and a small core each.
// composition/compress/ computes it; no device is opened.

import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CompressedAdapters, compressAdapters, projectAdapters } from "../../composition/compress/compress.ts";
import { writeCompressed } from "../../composition/compress/write.ts";
import type { ModelConfig } from "../../files/families/config.ts";
import type { Adapter } from "../../files/lora/adapter.ts";
import { COMPRESSED_JSON, COMPRESSED_WEIGHTS } from "../../files/lora/compressed.ts";
import { MoloraError } from "../../proto/errors.ts";
import { defineCommand } from "../command.ts";
import { openCompressedSet } from "../compress/open_set.ts";
import { MODEL_FLAGS } from "../flags/common_flags.ts";
import { choice, integer, text, toggle } from "../flags/flags.ts";
import { openBase } from "../open_base.ts";
import { formatBytes, Progress } from "../terminal/progress.ts";
import { table } from "../terminal/table.ts";
import { gatherExperts } from "../training/router_experts.ts";

export const command = defineCommand({
  name: "compress",
  summary: "Write many adapters as shared factors and a small core each; the engine serves them so",
  details: `
For every matrix, U and V are shared by all adapters of a cluster, and each has a core of --rank squared numbers, or of
--rank with --core diagonal: Δ = U · core · V (joint diagonalisation, arXiv 2407.00066). Adapters that have little in common
lose much, and more with diagonal cores; the error of each is told. Load one under the name it has in the set:

  molora compress --adapter a=adapters/a --adapter b=adapters/b --rank 32 --out set
  molora generate --adapter a=set --use a --prompt …
  molora compress --add set --adapter c=adapters/c --out grown
`,
  flags: {
    model: MODEL_FLAGS.model,
    adapter: MODEL_FLAGS.adapter,
    rank: integer("R", "Columns of the shared factors (default: 32; with --add, those of the set)", {
      min: 1,
      max: 1024,
    }),
    clusters: integer("K", "Most pairs of shared factors; adapters go where least of them is lost", { min: 1 }, 1),
    core: choice(
      ["auto", "full", "diagonal"],
      "What each adapter keeps a matrix (auto: full; --add: as the set)",
      "auto",
    ),
    iterations: integer("N", "Most turns of the decomposition", { min: 1 }, 10),
    add: text("DIR", "A compressed set that --adapter is added to; all are compressed anew"),
    keepFactors: toggle("--add: keep the set's factors and cores, bit for bit, and only give the new adapters cores"),
    out: text("DIR", "Where to write the set"),
  },
  async run({ flags, output }) {
    const { out, add, keepFactors, clusters, iterations } = flags;
    if (out === undefined) throw new MoloraError("bad_arguments", "--out is missing");
    if (keepFactors && add === undefined)
      throw new MoloraError("bad_arguments", "--keep-factors is given without --add");
    const { files, preset } = await openBase(flags.model ?? "nano", output);
    const brought = flags.adapter.length === 0 && add === undefined ? Object.entries(preset?.adapters ?? {}) : [];
    const given = [...flags.adapter, ...brought.map(([name, path]) => ({ name, path }))];
    if (given.length === 0) throw new MoloraError("bad_arguments", "--adapter is missing");
    const { adapters: fresh } = await gatherExperts(files.config, given, undefined, output);
    const old = add === undefined ? undefined : await openCompressedSet(add, files.config);
    const twice = fresh.find(({ name }) => old?.adapters.some((adapter) => adapter.name === name));
    if (twice !== undefined) {
      throw new MoloraError("bad_arguments", `${add} has an adapter "${twice.name}" already`, {
        remedy: "Give the new one another name.",
      });
    }
    const all: Pick<Adapter, "name" | "hash" | "layers">[] = [...(old?.adapters ?? []), ...fresh];
    const origins = [...(old?.origins ?? []), ...fresh.map(({ name, hash }) => ({ name, sha256: hash }))];
    const rank = flags.rank ?? old?.rank ?? 32;
    const core = flags.core === "auto" ? (old?.core ?? "full") : flags.core;
    if (old !== undefined && keepFactors && core !== old.core) {
      throw new MoloraError("bad_arguments", `${add} has ${old.core} cores, and --keep-factors keeps them`, {
        remedy: "Leave --core or --keep-factors out.",
      });
    }
    const bar = new Progress("compressing", (matrices) => `${Math.round(matrices)} matrices`, output.streams.stderr);
    let made: CompressedAdapters;
    if (old !== undefined && keepFactors) {
      const added = projectAdapters(fresh, old.factors, core);
      made = { core, factors: old.factors, members: [...old.members, ...added.members] };
    } else {
      made = compressAdapters(all, {
        rank,
        clusters,
        core,
        iterations,
        onProgress: (done, total) => bar.update(done, total),
      });
      bar.finish();
    }
    await writeSet(out, made, origins, files.config);
    const bytes = sizes(all, made);
    output.print(
      table(
        ["adapter", "cluster", "error"],
        made.members.map(({ cluster, error }, i) => [origins[i].name, String(cluster), error.toFixed(4)]),
      ),
    );
    output.print(
      `${formatBytes(bytes.plain)} of factors as ${formatBytes(bytes.shared)} shared and ${formatBytes(bytes.cores)} of cores, in ${out}`,
    );
    const members = made.members.map(({ cluster, error }, i) => ({ name: origins[i].name, cluster, error }));
    output.result({ out, rank, core, clusters: made.factors.length, bytes, adapters: members });
  },
});

async function writeSet(
  out: string,
  made: CompressedAdapters,
  origins: readonly { name: string; sha256: string }[],
  config: ModelConfig,
): Promise<void> {
  const { json, safetensors } = await writeCompressed(made, origins, config);
  await mkdir(out, { recursive: true });
  await writeFile(join(out, COMPRESSED_WEIGHTS), safetensors);
  await writeFile(join(out, COMPRESSED_JSON), json);
}

/** Bytes of float32 factors as the adapters had them, and of what is written instead. */
function sizes(adapters: readonly Pick<Adapter, "layers">[], { factors, members }: CompressedAdapters) {
  const sum = (arrays: Iterable<Float32Array>) => [...arrays].reduce((total, array) => total + array.byteLength, 0);
  const plain = sum(
    adapters.flatMap(({ layers }) => layers.flatMap((layer) => Object.values(layer).flatMap(({ a, b }) => [a, b]))),
  );
  const shared = sum(
    factors.flatMap((layers) => layers.flatMap((layer) => Object.values(layer).flatMap(({ u, v }) => [u, v]))),
  );
  const cores = sum(members.flatMap((member) => member.cores.flatMap((layer) => Object.values(layer))));
  return { plain, shared, cores };
}
