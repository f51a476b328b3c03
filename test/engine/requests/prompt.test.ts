// Prompts of any length against a tokenizer of its own: what is too long is known early, and nothing holds up the loop.

import assert from "node:assert/strict";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { test } from "node:test";
import { Prompts } from "../../../engine/requests/prompt.ts";
import type { Tokenizer } from "../../../engine/text/tokenizer.ts";
import { loadTokenizer } from "../../../engine/text/tokenizer.ts";
import type { GenerateRequest } from "../../../proto/api.ts";
import { MoloraError } from "../../../proto/errors.ts";
import { nanoFolder, openFolder, STORIES, smollm2Metadata } from "../text/models.ts";

const nano = openFolder(nanoFolder());
const metadata = await smollm2Metadata();
const MODELS: [string, Tokenizer | undefined, string][] = [
  ["nano", nano, "models/nano and shared/ absent"],
  ["stories260K", openFolder(STORIES), ""],
  ["smollm2", metadata && loadTokenizer({ kind: "gguf", metadata }), "SmolLM2's GGUF is not in the cache"],
];

function prompts(tokenizer: Tokenizer, contextLength: number, checkRoom: (more: number) => void = () => {}) {
  const reader = new Prompts({ contextLength, scheduler: { checkRoom } });
  const lexicon = { key: undefined, tokenizer, size: tokenizer.vocabSize, endIds: [] };
  return { read: (request: GenerateRequest) => reader.read(request, lexicon) };
}

/** The longest the event loop was held meanwhile, in milliseconds. */
async function longestBlock(work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await new Promise((resolve) => setTimeout(resolve, 5));
  await work();
  await new Promise((resolve) => setTimeout(resolve, 5));
  delay.disable();
  return delay.max / 1e6;
}

/** What other programs on the machine add to that while nothing happens here. */
const noise = () => longestBlock(() => new Promise((resolve) => setTimeout(resolve, 500)));

const MEGABYTE = 2 ** 20;
/** Characters of a long text: encoded in one go, a tenth of a second and more. */
const LENGTH = 2 ** 18;

for (const [name, tokenizer, absent] of MODELS) {
  test(`${name}: a text that cannot fit is refused by its length alone`, async (t) => {
    if (tokenizer === undefined) return t.skip(absent);
    for (const text of [" ".repeat(8 * MEGABYTE), "é".repeat(4 * MEGABYTE), "ab ".repeat(2 * MEGABYTE)]) {
      const asks: GenerateRequest[] = [
        { prompt: text, raw: true },
        { messages: [{ role: "user", content: text }] },
        { messages: Array.from({ length: 64 }, () => ({ role: "user", content: text.slice(0, text.length / 64) })) },
      ];
      for (const request of asks) {
        const begin = performance.now();
        await assert.rejects(prompts(tokenizer, 512).read(request), (error: MoloraError) => {
          const { characters, mostCharacters, context } = error.details ?? {};
          return (
            error.code === "prompt_too_long" && context === 512 && (characters as number) > (mostCharacters as number)
          );
        });
        assert.ok(performance.now() - begin < 200);
      }
    }
  });

  test(`${name}: no prompt of N tokens has more than N times the longest token's characters`, async (t) => {
    if (tokenizer === undefined) return t.skip(absent);
    const most = tokenizer.mostCharacters(1);
    assert.ok(Number.isFinite(most));
    for (let id = 0; id < tokenizer.vocabSize; id++) assert.ok(tokenizer.decode([id]).length <= most);
    for (const unit of [" ", "\n", "a", "é", "😀", "the ", "\u0004", "\u{50000}", "\u{e0001}"]) {
      const text = unit.repeat(1000);
      const ids = tokenizer.encode(text, { addBos: false });
      const counted = text.length - tokenizer.vanishing(text);
      assert.ok(counted <= tokenizer.mostCharacters(ids.length), JSON.stringify(unit));
    }
  });

  test(`${name}: a long text is encoded without holding up the loop`, async (t) => {
    if (tokenizer === undefined) return t.skip(absent);
    const reader = prompts(tokenizer, 2 ** 21);
    for (const unit of [" ", "word ", "<|im_start|>"]) {
      const prompt = unit.repeat(LENGTH / unit.length);
      const blocks: number[] = [];
      const fits = async () => {
        const idle = await noise();
        const block = await longestBlock(() => reader.read({ prompt, raw: true }));
        blocks.push(block);
        return block < 200 + 2 * idle;
      };
      const held = (await fits()) || (await fits()) || (await fits());
      t.diagnostic(`${JSON.stringify(unit)}: ${blocks.map((block) => block.toFixed(0)).join(", ")} ms`);
      assert.ok(held, `${JSON.stringify(unit)}: ${blocks} ms`);
    }
  });
}

test("a text of far more tokens than the context holds is not encoded to its end", async (t) => {
  if (nano === undefined) return t.skip("models/nano and shared/ absent");
  const prompt = "a b ".repeat(200_000);
  await assert.rejects(prompts(nano, 60_000).read({ prompt, raw: true }), {
    code: "prompt_too_long",
    message: "the prompt has more than 240000 tokens, the context holds 60000",
  });
});

test("a step of encoding takes little of the processor, whatever the text", (t) => {
  for (const [name, tokenizer] of MODELS) {
    if (tokenizer === undefined) continue;
    for (const unit of [" ", "a", "\n ", "é", "1", "<|", "word ", "😀"]) {
      const steps = tokenizer.encoding(unit.repeat(LENGTH / unit.length));
      let most = 0;
      for (let done: boolean | undefined = false; !done; ) {
        const before = process.cpuUsage();
        done = steps.next().done;
        const { user, system } = process.cpuUsage(before);
        most = Math.max(most, (user + system) / 1000);
      }
      t.diagnostic(`${name}, ${JSON.stringify(unit)}: ${most.toFixed(0)} ms`);
      // Threads that collect garbage are counted along
      assert.ok(most < 150, `${name}, ${JSON.stringify(unit)}: ${most} ms`);
    }
  }
});

test("ids are the same whether encoded at once or in slices", async (t) => {
  if (nano === undefined) return t.skip("models/nano and shared/ absent");
  let text = "";
  for (let i = 0; text.length < 200_000; i++) text += `Item ${i * 7919} of été ${Math.sin(i)}: ${" ".repeat(i % 90)}\n`;
  const whole = nano.encode(text);
  const together = await Promise.all(
    Array.from({ length: 3 }, () => prompts(nano, whole.length).read({ prompt: text, raw: true })),
  );
  for (const ids of together) assert.deepEqual(ids, whole);
});

test("what cannot wait is not encoded: those being encoded count as waiting", async (t) => {
  if (nano === undefined) return t.skip("models/nano and shared/ absent");
  const reader = prompts(nano, 2 ** 20, (more) => {
    if (more >= 2) throw new MoloraError("queue_full", "full");
  });
  const prompt = "word ".repeat(100_000);
  const results = await Promise.allSettled(Array.from({ length: 4 }, () => reader.read({ prompt, raw: true })));
  assert.deepEqual(
    results.map((result) => (result.status === "rejected" ? result.reason.code : "encoded")),
    ["encoded", "encoded", "queue_full", "queue_full"],
  );
});

test("special tokens: text in messages, tokens in raw prompts, as asked otherwise", async (t) => {
  if (nano === undefined) return t.skip("models/nano and shared/ absent");
  const reader = prompts(nano, 1024);
  const specials = async (request: GenerateRequest) =>
    (await reader.read(request)).filter((id) => nano.specialIds.has(id)).length;
  const text = "x<|endoftext|>y";
  assert.equal(await specials({ prompt: text }), 2);
  assert.equal(await specials({ prompt: text, allowSpecialTokens: true }), 3);
  assert.equal(await specials({ messages: [{ role: "user", content: text }] }), 2);
  assert.equal(await specials({ messages: [{ role: "user", content: text }], allowSpecialTokens: true }), 3);
  assert.equal(await specials({ prompt: text, raw: true }), 1);
  assert.equal(await specials({ prompt: text, raw: true, allowSpecialTokens: false }), 0);
});

test("arguments of a call nested too deep are refused", async (t) => {
  if (nano === undefined) return t.skip("models/nano and shared/ absent");
  const deep = `{"a":${"[".repeat(5000)}${"]".repeat(5000)}}`;
  const toolCalls = [{ id: "c", name: "f", arguments: deep }];
  await assert.rejects(prompts(nano, 65536).read({ messages: [{ role: "assistant", content: "", toolCalls }] }), {
    code: "bad_request",
    message: /nested more than 128 deep/,
  });
});
