// Adapters whose vocabulary is larger or smaller than their base's against PEFT, on the devices that are asked for.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { Engine } from "../../engine/engine.ts";
import { raises } from "../raises.ts";
import { onEachHost } from "./each_device.ts";
import { FAMILY_MODELS } from "./families.ts";
import { checkGreedy, checkLogprobs, collect, type Fixture, openEngine } from "./parity.ts";

export const GROWN_MODELS = "test/fixtures/grown";
const BASE = 320;

export interface Spelling {
  adapter: string;
  eos: number;
  text: string;
  ids: number[];
  decoded: string;
  messages: { role: string; content: string }[];
  prompt: number[];
}

type Grown = Fixture & { spellings: Spelling[] };

export async function openGrown(name: string, options: object): Promise<{ engine: Engine; fixture: Grown }> {
  const fixture: Grown = JSON.parse(readFileSync(`${GROWN_MODELS}/${name}/expected.json`, "utf8"));
  const model = `${FAMILY_MODELS}/${fixture.model}`;
  const engine = await openEngine(
    fixture,
    { adapters: `${GROWN_MODELS}/${name}/adapters` },
    { model, dtype: "f32", contextLength: 256, ...options },
  );
  return { engine, fixture };
}

export function checkGrown(name: string, devices: readonly ("gpu" | "cpu")[]): void {
  onEachHost(
    `${name}: vocabularies of other sizes, alone, stacked and in one batch with the base, equal PEFT's`,
    async (device) => {
      const { engine, fixture } = await openGrown(name, device);
      try {
        const worst = await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
        const compared = await checkGreedy(engine, fixture, fixture.uses);
        console.log(`${name}: largest error ${worst.toExponential(1)} nats; ${compared} greedy tokens compared`);
        assert.ok(compared >= 300, `only ${compared} greedy tokens are free of near-ties`);
      } finally {
        await engine.close();
      }
    },
    devices,
  );
}

export function checkIds(devices: readonly ("gpu" | "cpu")[]): void {
  onEachHost(
    "ids of an adapter are nobody else's: none samples them, counts them, biases them or may say them",
    async (device) => {
      const { engine, fixture } = await openGrown("llama-biases", device);
      try {
        const ids = [...fixture.prompts[0].ids];
        const hot = { temperature: 100, maxTokens: 60, ignoreEos: true } as const;
        const asked = ["chat", "fewer", undefined, "tables", "r2"].flatMap((adapter) =>
          [1, 2, 3].map((seed) => ({ adapter, request: { ids, seed, ...hot, ...(adapter ? { adapter } : {}) } })),
        );
        const drawn = await Promise.all(asked.map(({ request }) => collect(engine, request)));
        const most = (name: string | undefined) =>
          Math.max(...drawn.flatMap(({ tokens }, i) => (asked[i].adapter === name ? tokens.map(({ id }) => id) : [])));
        // Nearly uniform draws, 180 a use.
        assert.ok(most("chat") < 323 && most("fewer") < 301 && most(undefined) < BASE && most("r2") < BASE);
        assert.ok(most("tables") >= BASE && most("tables") < 328, `${most("tables")}`);

        const penalised = {
          ids: [...ids, 321, 321],
          adapter: "chat",
          repetitionPenalty: 1.3,
          maxTokens: 8,
          logprobs: 20,
        };
        const { tokens } = await collect(engine, penalised);
        assert.equal(tokens.length, 8);
        await raises("bad_request", /^323 is no token id of this adapter/, () =>
          collect(engine, { ids: [323], adapter: "chat", maxTokens: 1 }),
        );
        await raises("bad_request", /^310 is no token id of this adapter/, () =>
          collect(engine, { ids: [310], adapter: "fewer", maxTokens: 1 }),
        );
        await raises("bad_request", /^320 is no token id of this model/, () =>
          collect(engine, { ids: [320], maxTokens: 1 }),
        );
        await raises("bad_request", /logitBias names 320/, () =>
          collect(engine, { ids, adapter: "r2", logitBias: [{ id: 320, bias: 1 }], maxTokens: 1 }),
        );
      } finally {
        await engine.close();
      }
    },
    devices,
  );
}
