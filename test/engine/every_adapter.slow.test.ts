// Every family with every kind of adapter, made on the spot by transformers and PEFT (test/fixtures/scripts/every_adapter.py):
// equal to them, or refused by name. MOLORA_PEFT_PYTHON names a Python that has torch, transformers and peft.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Engine } from "../../engine/engine.ts";
import { nodeHost } from "../../node/host.ts";
import { collect } from "./parity.ts";

/** What is made is only read, where this names a folder that has it. */
const MADE = process.env.MOLORA_EVERY_ADAPTER;
const PYTHON = process.env.MOLORA_PEFT_PYTHON;

interface Expected {
  ids: number[][];
  uses: Record<string, number[][]>;
}

function furthest(some: number[][], others: number[][]): number {
  return Math.max(...some.flatMap((row, r) => row.map((x, i) => Math.abs(x - others[r][i]))));
}

function models(): string {
  if (MADE) return MADE;
  const folder = mkdtempSync(join(tmpdir(), "molora-every-"));
  after(() => rmSync(folder, { recursive: true }));
  const script = ["-W", "ignore", "test/fixtures/scripts/every_adapter.py"];
  execFileSync(PYTHON!, [...script, "--tokenizer", "test/fixtures/tiny/base", "--out", folder], { stdio: "inherit" });
  return folder;
}

test("every family with every kind of adapter: log-probabilities as PEFT's", async (t) => {
  if (!MADE && !PYTHON) return t.skip("MOLORA_PEFT_PYTHON names no Python with transformers and peft: NOT COMPARED");
  const folder = models();
  for (const name of readdirSync(folder).filter((family) => existsSync(`${folder}/${family}/expected.json`))) {
    await t.test(name, async () => {
      const { ids, uses } = JSON.parse(readFileSync(`${folder}/${name}/expected.json`, "utf8")) as Expected;
      const engine = await Engine.load(nodeHost(), { model: `${folder}/${name}`, device: "cpu", activations: "f32" });
      const wrong: string[] = [];
      let worst = 0;
      try {
        for (const [use, expected] of Object.entries(uses)) {
          const route = use === "base" ? {} : { adapter: use };
          if (use !== "base") await engine.loadAdapter(use, `${folder}/${name}/adapters/${use}`);
          const rows = ids.map((row) => collect(engine, { ids: row, maxTokens: 0, promptLogprobs: 0, ...route }));
          const found = (await Promise.all(rows)).map(({ done }) => done.promptLogprobs!.map(({ logprob }) => logprob));
          assert.deepEqual(
            found.map((row) => row.length),
            expected.map((row) => row.length),
          );
          const off = furthest(found, expected);
          // One that changes next to nothing would show nothing.
          if (use !== "base") assert.ok(furthest(expected, uses.base) > 0.1, use);
          worst = Math.max(worst, off);
          if (!(off < 5e-3)) wrong.push(`${use}: ${off}`);
        }
      } finally {
        await engine.close();
      }
      console.log(`${name}: ${Object.keys(uses).length} uses, largest error ${worst.toExponential(1)} nats`);
      assert.deepEqual(wrong, []);
    });
  }
});
