// The test of LongRoPE in a context that holds both sides of the original one: a sequence is turned by the short factors until it
// has more tokens, then all of it by the long ones, and runs over the border as each of its tokens alone.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { GenerateRequest } from "../../proto/api.ts";
import { onEachHost } from "./each_device.ts";
import { FAMILY_MODELS } from "./families.ts";
import { checkLogprobs, collect, type Fixture, openEngine } from "./parity.ts";

const ORIGINAL = 64;

/** A model of test/fixtures/families/models. On a GPU a decode may round otherwise than a prompt. */
export function checkLongRope(name: string, device: "cpu" | "gpu"): void {
  const most = device === "cpu" ? 0 : 1e-4;
  onEachHost(
    `${name}: one context for shorter and longer sequences`,
    async (given) => {
      const folder = `${FAMILY_MODELS}/${name}`;
      const fixture: Fixture = JSON.parse(readFileSync(`${folder}/expected.json`, "utf8"));
      const options = { model: folder, dtype: "f32", contextLength: 256, ...given } as const;
      const engine = await openEngine(fixture, { adapters: `${folder}/adapters` }, options);
      try {
        await checkLogprobs(engine, fixture, fixture.uses, 5e-3);
        const [{ ids }] = fixture.prompts;
        const requests: GenerateRequest[] = [
          { ids: [...ids, ...ids].slice(0, 55) },
          { ids: ids.slice(0, 40), adapter: "r3" },
        ].map((request) => ({ ...request, maxTokens: 30, ignoreEos: true, logprobs: 0 }));
        // Side by side: one step has sequences on both sides.
        const ran = await Promise.all(requests.map((request) => collect(engine, request)));
        for (const [n, { tokens }] of ran.entries()) {
          assert.equal(tokens.length, 30);
          const begun = requests[n].ids!;
          const all = [...begun, ...tokens.map(({ id }) => id)];
          for (const length of [ORIGINAL - 1, ORIGINAL, ORIGINAL + 1, ORIGINAL + 4]) {
            const alone = await collect(engine, { ...requests[n], ids: all.slice(0, length), maxTokens: 1 });
            const [first, then] = [alone.tokens[0], tokens[length - begun.length]];
            assert.equal(first.id, then.id, `after ${length} tokens`);
            const off = Math.abs(first.logprob!.logprob - then.logprob!.logprob);
            assert.ok(off <= most, `after ${length} tokens: off by ${off} nats`);
          }
        }
      } finally {
        await engine.close();
      }
    },
    [device],
  );
}
