// Compressed adapters on a running engine: with enough rank they say what the plain ones do, alone, beside them in one
// batch, stacked and under a mixture; shared factors take their pages once and go with the last adapter.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { compressAdapters } from "../../composition/compress/compress.ts";
import { writeCompressed } from "../../composition/compress/write.ts";
import { Engine } from "../../engine/engine.ts";
import type { DeviceOptions } from "../../engine/host.ts";
import { openModelFiles } from "../../files/model_files/model_files.ts";
import { nodeHost } from "../../node/host.ts";
import type { GenerateRequest } from "../../proto/api.ts";
import { MoloraError } from "../../proto/errors.ts";
import { writeMixture } from "../../router/write.ts";
import type { AdapterDtype } from "../../shaders/lora/adapter_dtype.ts";
import { loadAdapterFolder } from "../../training/frozen/load.ts";
import { collect } from "./parity.ts";

const TINY = "test/fixtures/tiny";
const NAMES = ["r8", "r16"];

/** A set of the tiny base's adapters, and a mixture of it. */
async function writeSet(folder: string, rank: number): Promise<void> {
  const { config } = await openModelFiles(await nodeHost().open(`${TINY}/base`));
  const adapters = [];
  for (const name of NAMES) {
    adapters.push(await loadAdapterFolder(nodeHost(), name, `${TINY}/adapters/${name}`, config));
  }
  const made = compressAdapters(adapters, { rank });
  const origins = adapters.map(({ name, hash }) => ({ name, sha256: hash }));
  const { json, safetensors } = await writeCompressed(made, origins, config);
  await writeFile(join(folder, "compressed.json"), json);
  await writeFile(join(folder, "compressed.safetensors"), safetensors);
  const { architecture, hiddenSize, numLayers } = config;
  const mixture = writeMixture({
    baseModel: { architecture, hiddenSize, numLayers },
    experts: NAMES.map((name) => ({ name, adapter: ".", sha256: undefined })),
    router: { type: "uniform", topK: 2, gate: "unit", temperature: 1 },
  });
  await writeFile(join(folder, "mixture.json"), mixture.json);
}

function logprobs(answer: Awaited<ReturnType<typeof collect>>): number[] {
  return (answer.done.promptLogprobs ?? []).map(({ logprob }) => logprob);
}

/** `adapterDtype`: of the set and what is beside it; `tolerance`: in nats, from plain adapters in f32. */
export async function compressedBesidePlain(
  device: Required<Pick<DeviceOptions, "device">>,
  adapterDtype: AdapterDtype = "f32",
  tolerance = 2e-4,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "molora-compressed-"));
  const options = { model: `${TINY}/base`, contextLength: 128, maxRank: 64, ...device };
  const adapters = Object.fromEntries(NAMES.map((name) => [name, `${TINY}/adapters/${name}`]));
  await writeSet(folder, 64);
  const plain = await Engine.load(nodeHost(), { ...options, adapters });
  const packed = await Engine.load(nodeHost(), {
    ...options,
    adapterDtype,
    adapters: { r8: resolve(folder), other: `${TINY}/adapters/r8` },
  });
  try {
    await packed.loadMixture("both", folder);
    const prompt = "add 12 and 30, then find the rows of a table where the name is short";
    const ask = (engine: Engine, routing: GenerateRequest) =>
      collect(engine, { prompt, maxTokens: 1, promptLogprobs: 0, ...routing });
    const stack = NAMES.map((id) => ({ id, weight: 0.5 }));
    const [base, r8, r16, both] = await Promise.all(
      [{}, { adapter: "r8" }, { adapter: "r16" }, { adapters: stack }].map((routing) => ask(plain, routing)),
    );
    // All at once: the base, a plain adapter, compressed ones, a stack and a mixture of them share steps.
    const found = await Promise.all(
      [{}, { adapter: "other" }, { adapter: "r8" }, { adapter: "r16" }, { adapters: stack }, { mixture: "both" }].map(
        (routing) => ask(packed, routing),
      ),
    );
    const wanted = [base, r8, r8, r16, both, both];
    for (const [i, answer] of found.entries()) {
      const [actual, expected] = [logprobs(answer), logprobs(wanted[i])];
      assert.equal(actual.length, expected.length);
      for (const [t, value] of actual.entries()) {
        assert.ok(
          Math.abs(value - expected[t]) < tolerance,
          `request ${i}, token ${t}: ${value}, expected ${expected[t]}`,
        );
      }
    }
    assert.ok(
      logprobs(r8).some((value, t) => Math.abs(value - logprobs(base)[t]) > 0.01),
      "the adapter does nothing",
    );

    const full = packed.stats().pagesFree;
    await packed.unloadMixture("both");
    await packed.unloadAdapter("r16");
    const beside = packed.stats().pagesFree;
    await packed.unloadAdapter("r8");
    const { pagesFree } = packed.stats();
    assert.ok(beside > full && pagesFree > beside, `${full}, ${beside}, ${pagesFree} free pages`);
    assert.deepEqual(logprobs(await ask(packed, { adapter: "other" })), logprobs(found[1]));
    await assert.rejects(
      packed.loadAdapter("third", folder),
      (error) => MoloraError.is(error) && error.code === "file_not_found" && /r8, r16/.test(error.remedy ?? ""),
    );
  } finally {
    await plain.close();
    await packed.close();
    await rm(folder, { recursive: true });
  }
}
