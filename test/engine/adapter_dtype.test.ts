// Adapters in half precision, in int8 and in 4 bits: log-probabilities stay near PEFT's, batches change no token, memory holds as many more,
// and what is made of loaded adapters is made of them as they are held. On the GPU: adapter_dtype_gpu.slow.test.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Engine } from "../../engine/engine.ts";
import { nodeHost } from "../../node/host.ts";
import type { GenerateRequest, Routing } from "../../proto/api.ts";
import type { AdapterDtype } from "../../shaders/lora/adapter_dtype.ts";
import { raises } from "../raises.ts";
import { COMPRESSED, lossStaysNear, NARROW } from "./adapter_dtype.ts";
import { compressedBesidePlain } from "./compressed_case.ts";
import { collect } from "./parity.ts";

const NANO = "models/nano";
const DEVICE = { device: "cpu" } as const;
const NAMES = ["math", "sql", "medical", "code"];
const ROUTINGS: Routing[] = [
  {},
  ...NAMES.map((adapter) => ({ adapter })),
  { mixture: "default" },
  {
    adapters: [
      { id: "math", weight: 0.5 },
      { id: "code", weight: 0.5 },
    ],
  },
];

const open = (adapterDtype: AdapterDtype) =>
  Engine.load(nodeHost(), {
    model: NANO,
    mixtures: { default: `${NANO}/mixtures/default` },
    adapterDtype,
    contextLength: 256,
    ...DEVICE,
  });
const idsOf = async (engine: Engine, request: GenerateRequest) =>
  (await collect(engine, request)).tokens.map(({ id }) => id);

for (const dtype of NARROW) {
  test(`${dtype}: the loss of nano's texts stays within the bound of PEFT's, alone and routed`, () =>
    lossStaysNear(dtype, DEVICE));

  test(`${dtype}: what shares a batch changes no token, and memory is counted as it is taken`, async () => {
    const engine = await open(dtype);
    const wide = await open("f32");
    try {
      const requests = ROUTINGS.map((routing) => ({
        prompt: "Add 2 and 3.",
        maxTokens: 10,
        ignoreEos: true,
        ...routing,
      }));
      const alone: number[][] = [];
      for (const request of requests) alone.push(await idsOf(engine, request));
      assert.deepEqual(await Promise.all(requests.map((request) => idsOf(engine, request))), alone);
      assert.ok(new Set(alone.map(String)).size >= 4, "the adapters do nothing");
      const share = { f16: [0.49, 0.55], q8_0: [0.27, 0.4], q4_0: [0.15, 0.3] }[dtype];
      const bytes = ({ listNames }: { listNames: () => { kind: string; bytes: number }[] }) =>
        listNames().reduce((sum, one) => sum + (one.kind === "adapter" ? one.bytes : 0), 0);
      const [own, all] = [engine, wide].map((each) => bytes({ listNames: () => each.listNames() }));
      assert.ok(own / all > share[0] && own / all < share[1], `${own} of ${all} bytes`);
      const taken = [engine, wide].map((each) => {
        const { pagesTotal, pagesFree } = each.stats();
        return pagesTotal - pagesFree;
      });
      assert.ok(taken[0] < 0.75 * taken[1], `${taken[0]} of ${taken[1]} pages, the router's among them`);
    } finally {
      await engine.close();
      await wide.close();
    }
  });

  test(`${dtype}: a merged adapter is that of the adapters as they are held`, async () => {
    const engine = await open(dtype);
    try {
      await engine.merge("same", { method: "cat", adapters: [{ name: "math" }] });
      const ask = async (adapter: string) =>
        (await collect(engine, { prompt: "Add 2 and 3.", maxTokens: 1, promptLogprobs: 0, adapter })).done;
      const [math, same] = [await ask("math"), await ask("same")].map(({ promptLogprobs = [] }) =>
        promptLogprobs.map(({ logprob }) => logprob),
      );
      for (const [t, value] of same.entries())
        assert.ok(Math.abs(value - math[t]) < (dtype === "q4_0" ? 0.5 : 2e-2), `token ${t}`);
    } finally {
      await engine.close();
    }
  });
}

for (const [dtype, tolerance] of COMPRESSED) {
  test(`${dtype}: a compressed set says what plain adapters do`, () => compressedBesidePlain(DEVICE, dtype, tolerance));
}

test("a dtype that there is not is refused", async () => {
  await raises("bad_arguments", /adapterDtype is "q2"/, () => open("q2" as AdapterDtype));
});
