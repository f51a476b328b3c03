// What compression saves and what it costs: bytes and loss against the rank and the number of adapters.
// The adapters are the four of nano and noisy copies of them (perf/noisy_copies.ts).
// Usage: node dist/perf/compression.js DATA [adapters: 16,64,256] [ranks: 16,32,64] [clusters: 1,4] [cores: full,diagonal]
// DATA has a folder for each of the four domains with valid.jsonl.gz in it.

import { table } from "../cli/terminal/table.ts";
import { type CompressedAdapters, type CoreKind, compressAdapters } from "../composition/compress/compress.ts";
import type { Adapter } from "../files/lora/adapter.ts";
import { expandedLayer } from "../files/lora/compressed_adapter.ts";
import { openModelFiles } from "../files/model_files/model_files.ts";
import { nodeHost } from "../node/host.ts";
import { FrozenModel } from "../training/frozen/frozen_model.ts";
import { loadAdapterFolder } from "../training/frozen/load.ts";
import { TextScorer } from "../training/frozen/score.ts";
import { DOMAINS, domainTexts, LENGTH } from "./domain_texts.ts";
import { withCopies } from "./noisy_copies.ts";

const NANO = "models/nano";
const ROWS = 12;

const [data, ...lists] = process.argv.slice(2);
if (data === undefined)
  throw new Error("usage: node dist/perf/compression.js DATA [adapters] [ranks] [clusters] [cores]");
const [counts, ranks, clusters] = ["16,64,256", "16,32,64", "1,4"].map((usual, i) =>
  (lists[i] ?? usual).split(",").map(Number),
);
const cores = (lists[3] ?? "full,diagonal").split(",") as CoreKind[];

const files = await openModelFiles(await nodeHost().open(NANO));
const texts = await domainTexts(files, data, ROWS);
const originals: Adapter[] = [];
for (const name of DOMAINS) {
  originals.push(await loadAdapterFolder(nodeHost(), name, `${NANO}/adapters/${name}`, files.config));
}
const own = await losses(originals);
const rows: string[][] = [];
for (const count of counts) {
  const adapters = withCopies(originals, count);
  const plain = bytesOf(
    adapters.flatMap(({ layers }) => layers.flatMap((layer) => Object.values(layer).flatMap(({ a, b }) => [a, b]))),
  );
  for (const rank of ranks) {
    for (const most of clusters) {
      for (const core of cores) {
        const begun = performance.now();
        const made = compressAdapters(adapters, { rank, clusters: most, core });
        const seconds = (performance.now() - begun) / 1000;
        const kept = await losses(originals.map((adapter, i) => expanded(adapter, made, i)));
        const lost = made.members.reduce((sum, { error }) => sum + error, 0) / count;
        const nats = kept.reduce((sum, loss, i) => sum + (loss - own[i]) / 4, 0);
        const bytes =
          factorBytes(made) + bytesOf(made.members.flatMap((one) => one.cores.flatMap((c) => Object.values(c))));
        const sizes = [(bytes / 1e6).toFixed(1), (plain / bytes).toFixed(1)];
        const told = [lost.toFixed(3), nats.toFixed(4), ...sizes, seconds.toFixed(0)];
        rows.push([String(count), String(rank), String(made.factors.length), core, ...told]);
        console.error(rows.at(-1)!.join("  "));
      }
    }
  }
}
console.log(
  `Loss of each adapter on its own domain: ${own.map((loss, i) => `${DOMAINS[i]} ${loss.toFixed(4)}`).join(", ")}`,
);
console.log(
  table(["adapters", "rank", "clusters", "core", "error", "nats lost", "MB", "times smaller", "seconds"], rows),
);

/** Mean loss in nats a token of each adapter on its own domain. */
async function losses(adapters: readonly Adapter[]): Promise<number[]> {
  const options = { files, dtype: "auto", mixtures: [], length: LENGTH, texts: 4, scored: true } as const;
  const model = await FrozenModel.open(nodeHost(), { ...options, adapters });
  try {
    const scorer = new TextScorer(model);
    const found: number[] = [];
    for (const [i, { key }] of model.adapters.entries()) {
      const plan = { kind: "fixed", entries: [{ key, weight: 1 }] } as const;
      const scored = await scorer.score(texts[i], { kind: "plan", plan });
      const all = scored.flatMap(({ logprobs }) => Array.from(logprobs));
      found.push(-all.reduce((sum, value) => sum + value, 0) / all.length);
    }
    return found;
  } finally {
    await model.close();
  }
}

function expanded(adapter: Adapter, { factors, members }: CompressedAdapters, i: number): Adapter {
  const { cluster, cores } = members[i];
  const compressed = { shared: { hash: "", layers: factors[cluster] }, cores };
  const layers = cores.map((_, layer) => expandedLayer(compressed, layer));
  const used = [...new Set(layers.flatMap((layer) => Object.values(layer).map(({ rank }) => rank)))];
  return { ...adapter, hash: `${adapter.hash} compressed`, layers, report: { ...adapter.report, ranks: used } };
}

function factorBytes({ factors }: CompressedAdapters): number {
  return bytesOf(
    factors.flatMap((layers) => layers.flatMap((one) => Object.values(one).flatMap(({ u, v }) => [u, v]))),
  );
}

function bytesOf(arrays: readonly Float32Array[]): number {
  return arrays.reduce((sum, array) => sum + array.byteLength, 0);
}
