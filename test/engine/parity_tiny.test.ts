// The tiny random Llama against transformers and PEFT: every adapter, stack and mixture, in one batch.

import { onEachHost } from "./each_device.ts";
import { checkLogprobs, openEngine, readFixture } from "./parity.ts";
import { checkLlama3, checkStories, checkTiny, TINY, TINY_FOLDERS } from "./parity_cases.ts";

onEachHost("tiny, f32: log-probabilities and greedy tokens equal those of transformers and PEFT", checkTiny);

for (const folder of ["base-sharded", "base-bf16"]) {
  onEachHost(
    `tiny from ${folder}: the same numbers from other files`,
    async (device) => {
      const fixture = await readFixture("tiny");
      const uses = fixture.uses.filter(({ name }) => name === "base" || name === "belief-top1");
      const options = { model: `${TINY}/${folder}`, dtype: "f32", ...device } as const;
      const engine = await openEngine({ ...fixture, uses }, TINY_FOLDERS, options);
      await checkLogprobs(engine, fixture, uses, 5e-3);
      await engine.close();
    },
    ["cpu"],
  );
}

onEachHost("tiny with llama3 rope scaling, tied f16 weights and attention wider than the hidden size", checkLlama3, [
  "cpu",
]);

onEachHost("stories260K: log-probabilities and greedy tokens equal those of transformers", checkStories, ["cpu"]);
