// Compares an engine with what transformers and PEFT computed: log-probabilities, experts, greedy continuations.
// test/fixtures/parity/README.md describes the files.

import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Engine } from "../../engine/engine.ts";
import type { EngineOptions } from "../../engine/options.ts";
import { nodeHost } from "../../node/host.ts";
import type { DoneEvent, GenerateOptions, GenerateRequest, Routing, TokenEvent } from "../../proto/api.ts";

export interface Row {
  prompt: string;
  safe: number;
  logprobs: number[];
  top_ids: number[][];
  top_logprobs: number[][];
}

export interface Continuation {
  prompt: string;
  safe: number;
  ids: number[];
  experts?: number[][][];
}

export interface Use {
  name: string;
  kind: "base" | "single" | "stacked" | "routed";
  adapter?: string;
  adapters?: { id: string; weight: number }[];
  mixture?: string;
  experts?: string[];
  override?: Record<string, unknown>;
  router?: Record<string, unknown>;
  rows: Row[];
  greedy?: Continuation[];
}

export interface Fixture {
  model: string;
  prompts: { name: string; ids: number[]; text?: string }[];
  uses: Use[];
}

export async function readFixture(name: string): Promise<Fixture> {
  return JSON.parse(await readFile(`test/fixtures/parity/${name}.json`, "utf8")) as Fixture;
}

/** An engine with every adapter and mixture the fixture's uses name, mixtures changed as their `override` says. */
export async function openEngine(
  fixture: Fixture,
  folders: { adapters?: string; mixtures?: string },
  options: EngineOptions,
): Promise<Engine> {
  const names = fixture.uses.flatMap((use) => [use.adapter, ...(use.adapters ?? []).map(({ id }) => id)]);
  const adapters = Object.fromEntries(
    names.filter((name) => name !== undefined).map((name) => [name, `${folders.adapters}/${name}`]),
  );
  const mixtures: Record<string, string> = {};
  for (const use of fixture.uses) {
    if (use.kind === "routed") mixtures[mixtureName(use)] = await mixtureFolder(use, folders.mixtures!);
  }
  return Engine.load(nodeHost(), { ...options, adapters, mixtures });
}

/** Adapters and mixtures share one space of names. */
function mixtureName(use: Use): string {
  return `mix-${use.name.replaceAll(/[^A-Za-z0-9._-]/g, "-")}`;
}

async function mixtureFolder(use: Use, mixtures: string): Promise<string> {
  const original = `${mixtures}/${use.mixture}`;
  if (use.override === undefined && use.router === undefined) return original;
  const folder = await mkdtemp(join(tmpdir(), "molora-mixture-"));
  const json = JSON.parse(await readFile(`${original}/mixture.json`, "utf8"));
  for (const expert of json.experts) {
    if (expert.adapter !== undefined) expert.adapter = join(process.cwd(), original, expert.adapter);
  }
  json.router = use.router ?? { ...json.router, ...use.override };
  await writeFile(`${folder}/mixture.json`, JSON.stringify(json));
  if (json.router.type === "mlp") await cp(`${original}/router.safetensors`, `${folder}/router.safetensors`);
  return folder;
}

export function routingOf(use: Use): Routing {
  if (use.kind === "single") return { adapter: use.adapter! };
  if (use.kind === "stacked") return { adapters: use.adapters! };
  return use.kind === "routed" ? { mixture: mixtureName(use) } : {};
}

/** Everything a request gave. */
export async function collect(
  engine: Engine,
  request: GenerateRequest,
  options?: GenerateOptions,
): Promise<{ tokens: TokenEvent[]; done: DoneEvent }> {
  const tokens: TokenEvent[] = [];
  for await (const event of engine.generate(request, options)) {
    if (event.type === "done") return { tokens, done: event };
    tokens.push(event);
  }
  throw new Error("a generation ended without its last event");
}

/** Log-probabilities of every row, all uses in one batch. `most`: largest error in nats. */
export async function checkLogprobs(engine: Engine, fixture: Fixture, uses: Use[], most: number): Promise<number> {
  let worst = 0;
  await Promise.all(
    uses.flatMap((use) =>
      use.rows.map(async (row) => {
        const { ids } = fixture.prompts.find(({ name }) => name === row.prompt)!;
        const { done } = await collect(engine, { ids, maxTokens: 0, promptLogprobs: 5, ...routingOf(use) });
        assert.equal(done.promptLogprobs!.length, ids.length - 1);
        for (let t = 0; t < Math.min(row.safe, ids.length - 1); t++) {
          const found = done.promptLogprobs![t]!;
          const where = `${use.name}, ${row.prompt}, position ${t}`;
          assert.equal(found.id, ids[t + 1], where);
          const error = Math.abs(found.logprob - row.logprobs[t]!);
          worst = Math.max(worst, error);
          assert.ok(error <= most, `${where}: log-probability ${found.logprob}, expected ${row.logprobs[t]}`);
          for (const [k, { logprob }] of found.top.entries()) {
            const off = Math.abs(logprob - row.top_logprobs[t]![k]!);
            assert.ok(off <= most, `${where}: alternative ${k} at ${logprob}, expected ${row.top_logprobs[t]![k]}`);
          }
        }
      }),
    ),
  );
  return worst;
}

/** Greedy continuations, and the experts of generated tokens, up to the first near-tie. Returns tokens compared. */
export async function checkGreedy(engine: Engine, fixture: Fixture, uses: Use[]): Promise<number> {
  let compared = 0;
  await Promise.all(
    uses.flatMap((use) =>
      (use.greedy ?? []).map(async (expected) => {
        const { ids } = fixture.prompts.find(({ name }) => name === expected.prompt)!;
        const request = { ids, maxTokens: expected.ids.length, ignoreEos: true, trace: true, ...routingOf(use) };
        const { tokens } = await collect(engine, request);
        const found = tokens.map(({ id }) => id);
        assert.equal(found.length, expected.ids.length);
        const where = `${use.name}, ${expected.prompt}`;
        assert.deepEqual(found.slice(0, expected.safe), expected.ids.slice(0, expected.safe), where);
        compared += expected.safe;
        // Token n is fed at the position whose logits give token n + 1, so its experts stand in that token's trace.
        for (const [layer, steps] of (expected.experts ?? []).entries()) {
          for (let n = 0; n + 1 < expected.safe; n++) {
            const names = steps[n]!.map((e) => use.experts![e]!);
            assert.deepEqual(tokens[n + 1]!.trace![layer]!.experts, names, `${where}: layer ${layer}, token ${n}`);
          }
        }
      }),
    ),
  );
  return compared;
}
