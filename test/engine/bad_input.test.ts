// Bad input meets a running engine: each gets its code, reason and remedy, and a stream that runs beside them all
// gives the tokens it gives alone.

import assert from "node:assert/strict";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Engine } from "../../engine/engine.ts";
import { nodeHost } from "../../node/host.ts";
import type { GenerateRequest } from "../../proto/api.ts";
import { type ErrorCode, MoloraError } from "../../proto/errors.ts";
import { collect } from "./parity.ts";

const NANO = "models/nano";
const STREAM: GenerateRequest = { prompt: "Tell me a story.", maxTokens: 400, ignoreEos: true, mixture: "default" };

let engine: Engine;
let folder: string;
let alone: number[];
let stream: Promise<number[]>;

async function idsOf(request: GenerateRequest): Promise<number[]> {
  return (await collect(engine, request)).tokens.map(({ id }) => id);
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "molora-bad-"));
  engine = await Engine.load(nodeHost(), {
    model: NANO,
    mixtures: { default: `${NANO}/mixtures/default` },
    maxQueue: 100,
  });
  alone = await idsOf(STREAM);
  stream = idsOf(STREAM);
});

after(async () => {
  assert.deepEqual(await stream, alone, "the stream beside all this changed");
  await engine.close();
  await rm(folder, { recursive: true });
});

async function rejects(code: ErrorCode, attempt: () => Promise<unknown>): Promise<MoloraError> {
  let thrown: unknown;
  await attempt().catch((error: unknown) => {
    thrown = error;
  });
  assert.ok(thrown instanceof MoloraError, `expected ${code}, got ${thrown}`);
  assert.equal(thrown.code, code, thrown.message);
  assert.ok(thrown.message.length > 5);
  return thrown;
}

/** A copy of the sql adapter, changed by `change`, which gets the weights' bytes and may give others. */
async function spoiled(name: string, change: (bytes: Buffer) => Buffer): Promise<string> {
  const copy = join(folder, name);
  await cp(`${NANO}/adapters/sql`, copy, { recursive: true });
  const file = join(copy, "adapter_model.safetensors");
  await writeFile(file, change(await readFile(file)));
  return copy;
}

test("adapters whose files are cut, lie, hold NaN or do nothing", async () => {
  const headerBytes = (bytes: Buffer) => 8 + Number(bytes.readBigUInt64LE());
  const cases: [ErrorCode, string, (bytes: Buffer) => Buffer][] = [
    ["file_truncated", "cut", (bytes) => bytes.subarray(0, bytes.length - 1000)],
    ["file_truncated", "header-cut", (bytes) => bytes.subarray(0, 100)],
    [
      "header_too_large",
      "ten-gigabytes",
      (bytes) => {
        bytes.writeBigUInt64LE(10n * 2n ** 30n);
        return bytes;
      },
    ],
    ["tensor_not_finite", "nan", (bytes) => bytes.fill(0xff, headerBytes(bytes))],
    ["adapter_no_effect", "zero", (bytes) => bytes.fill(0, headerBytes(bytes))],
  ];
  for (const [code, name, change] of cases) {
    const path = await spoiled(name, change);
    const error = await rejects(code, () => engine.loadAdapter(name, path));
    assert.ok(error.remedy !== undefined, `${code} names no remedy`);
  }
  assert.deepEqual(
    engine.listAdapters().map(({ name }) => name),
    ["math", "sql", "medical", "code"],
  );
});

test("an adapter for another base, a folder without one, an unknown mixture", async () => {
  const error = await rejects("adapter_mismatch", () => engine.loadAdapter("other", "models/smollm2/adapters/math"));
  assert.match(error.message, /SmolLM2/);
  await rejects("file_not_found", () => engine.loadAdapter("none", join(folder, "nowhere")));
  await rejects("mixture_mismatch", () => engine.loadMixture("other", "models/smollm2/mixtures/default"));
  const unknown = await rejects("unknown_mixture", () => idsOf({ prompt: "x", mixture: "nope" }));
  assert.match(unknown.remedy!, /default/);
  await rejects("unknown_adapter", () => idsOf({ prompt: "x", adapter: "nope" }));
});

test("requests that cannot run", async () => {
  const cases: [ErrorCode, GenerateRequest][] = [
    ["prompt_too_long", { ids: Array.from({ length: 1024 }, () => 5) }],
    ["prompt_empty", { ids: [] }],
    ["bad_request", { ids: [4096] }],
    ["bad_request", { prompt: "x", temperature: Number.NaN }],
    ["bad_request", { prompt: "x", topP: 0 }],
    ["bad_request", { prompt: "x", maxTokens: -1 }],
    ["bad_request", { prompt: "x", logprobs: 21 }],
    ["bad_request", { prompt: "x", ids: [1] }],
    ["bad_request", { prompt: "x", adapter: "math", mixture: "default" }],
    ["bad_request", { prompt: "x", adapters: [{ id: "math", weight: Number.POSITIVE_INFINITY }] }],
    ["bad_request", { prompt: "x", stop: [""] }],
  ];
  for (const [code, request] of cases) await rejects(code, () => idsOf(request));
});

test("10,000 requests at once: what the queue holds is served, the rest is told so", async () => {
  const outcomes = await Promise.all(
    Array.from({ length: 10_000 }, () =>
      idsOf({ ids: [1, 2, 3], maxTokens: 1 }).then(
        () => "served",
        (error: MoloraError) => error.code,
      ),
    ),
  );
  const served = outcomes.filter((outcome) => outcome === "served").length;
  assert.equal(outcomes.filter((outcome) => outcome === "queue_full").length, 10_000 - served);
  assert.ok(served >= 100, `${served} served`);
});

test("a reloaded name changes nothing for a request that runs; an unloaded one frees its pages", async () => {
  const before = engine.stats();
  await engine.loadAdapter("extra", `${NANO}/adapters/sql`);
  const request: GenerateRequest = { prompt: "How many singers?", maxTokens: 24, ignoreEos: true, adapter: "extra" };
  const expected = await idsOf(request);
  const running = idsOf(request);
  await engine.loadAdapter("extra", `${NANO}/adapters/math`);
  assert.deepEqual(await running, expected);
  assert.notDeepEqual(await idsOf(request), expected);
  await engine.unloadAdapter("extra");
  await rejects("unknown_adapter", () => idsOf(request));
  assert.equal(engine.listAdapters().length, before.adapters.length);
});
