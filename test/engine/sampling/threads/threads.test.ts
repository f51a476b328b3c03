// Grammar threads under schemas that would not end: limits hold, the event loop stays free, and nobody else's text is hurt.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Grammars } from "../../../../engine/sampling/grammar.ts";
import { tokenList } from "../../../../engine/sampling/matcher/token_list.ts";
import { compileSource } from "../../../../engine/sampling/schema/source.ts";
import { Matching } from "../../../../engine/sampling/threads/matching.ts";
import type { Answer, OpenGrammarThread, Order } from "../../../../engine/sampling/threads/orders.ts";
import { openGrammarThread } from "../../../../node/grammar_thread.ts";
import { eosIds, idsOf, sourceOf, tokenizer, vocabSize } from "../walks.ts";

const BOMB = { type: "string", pattern: "(.*a.{9}|.*b.{9}|.*c.{9})" };
const NAME = { type: "object", properties: { name: { type: "string", maxLength: 200 } }, required: ["name"] };

/** Milliseconds of the longest time the event loop was held while `work` ran. */
async function longestBlock(work: () => Promise<unknown>): Promise<number> {
  let last = performance.now();
  let longest = 0;
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 5);
  await work();
  clearInterval(timer);
  return longest;
}

/** Real threads, but told of; `slow` ones take an age for a token. */
function watched(slow: (order: Order) => boolean = () => false) {
  const opened: { orders: Order[]; ended: boolean }[] = [];
  const open: OpenGrammarThread = (events) => {
    const seen = { orders: [] as Order[], ended: false };
    opened.push(seen);
    const thread = openGrammarThread({
      answer: (answer: Answer) => seen.ended || events.answer(answer),
      lost: events.lost,
    });
    let stuck = false;
    return {
      post(order) {
        seen.orders.push(order);
        stuck ||= slow(order);
        if (!stuck) thread.post(order);
      },
      end() {
        seen.ended = true;
        thread.end();
      },
    };
  };
  return { opened, open };
}

test("a schema that takes too long is refused within the limit, and the event loop is free all the while", async (t) => {
  const grammars = new Grammars({ open: openGrammarThread, tokenizer, vocabSize });
  t.after(() => grammars.close());
  const begun = performance.now();
  const longest = await longestBlock(() =>
    assert.rejects(grammars.begin(sourceOf(BOMB), eosIds), { code: "schema_too_complex" }),
  );
  assert.ok(performance.now() - begun < 10_000);
  assert.ok(longest < 500, `the loop was held for ${longest} ms`);
  // The next one is as if nothing had been.
  (await grammars.begin(sourceOf(NAME), eosIds)).dispose();
});

test("who leaves cancels the compilation, running or in line, and those who wait for the same go on", async (t) => {
  const { opened, open } = watched((order) => order.kind === "compile" && order.source.includes("stuck"));
  const grammars = new Grammars({ open, tokenizer, vocabSize });
  t.after(() => grammars.close());
  const stuck = (i: number) => sourceOf({ type: "string", description: `stuck ${i}` });
  const gone = new AbortController();
  const left = [1, 2, 3].map((i) => grammars.begin(stuck(i), eosIds, gone.signal));
  const begun = performance.now();
  const waiting = grammars.begin(sourceOf(NAME), eosIds);
  const [one, other] = [new AbortController(), new AbortController()];
  const shared = [one, other].map(({ signal }) => grammars.begin(sourceOf({ type: "boolean" }), eosIds, signal));
  one.abort();
  gone.abort();
  for (const each of left) await assert.rejects(each, { code: "cancelled" });
  await assert.rejects(shared[0], { code: "cancelled" });
  (await waiting).dispose();
  (await shared[1]).dispose();
  assert.ok(performance.now() - begun < 1900, "the limit was not waited for");
  assert.equal(opened.filter(({ ended }) => ended).length, 2);
  await assert.rejects(grammars.begin(sourceOf(NAME), eosIds, AbortSignal.abort()), { code: "cancelled" });
});

test("a mask that takes too long fails its own text; the others go on from where they are in a new thread", async (t) => {
  const { opened, open } = watched((order) => order.kind === "accept" && order.token === 7 && opened.length === 1);
  const matching = new Matching(open, () => tokenList(tokenizer, vocabSize));
  t.after(() => matching.close());
  const grammar = matching.keep(compileSource(sourceOf(NAME)));
  const free = matching.keep(compileSource(sourceOf({})));
  const good = await matching.begin(grammar, eosIds);
  const expected = await matching.begin(grammar, eosIds);
  const bad = await matching.begin(free, eosIds);
  const ids = tokenizer.encode('{"name": "Ada', { addBos: false });
  for (const id of ids.slice(0, -1)) {
    await matching.accept(good.text, id);
    await matching.accept(expected.text, id);
  }
  const mask = await matching.accept(expected.text, ids.at(-1)!);
  const failing = assert.rejects(matching.accept(bad.text, 7), { code: "schema_too_complex" });
  const beside = matching.accept(good.text, ids.at(-1)!);
  await failing;
  assert.deepStrictEqual(await beside, mask);
  assert.equal(opened.length, 2);
  matching.end(good.text);
  assert.equal(await matching.accept(good.text, 1), undefined);
});

test("a text whose masks take long goes to another thread, and is the same there", async (t) => {
  const opened: Order[][] = [];
  const open: OpenGrammarThread = (events) => {
    const orders: Order[] = [];
    opened.push(orders);
    const late = (answer: Answer) =>
      events.answer(answer.kind === "done" && answer.mask ? { ...answer, ms: 600 } : answer);
    const thread = openGrammarThread({ answer: late, lost: events.lost });
    return {
      post(order) {
        orders.push(order);
        thread.post(order);
      },
      end: () => thread.end(),
    };
  };
  const matching = new Matching(open, () => tokenList(tokenizer, vocabSize));
  t.after(() => matching.close());
  const grammar = matching.keep(compileSource(sourceOf(NAME)));
  const { text } = await matching.begin(grammar, eosIds);
  const masks: unknown[] = [];
  const ids = tokenizer.encode('{"name": "Ada', { addBos: false });
  for (const id of ids) masks.push(await matching.accept(text, id));
  assert.equal(opened.length, 2);
  assert.deepStrictEqual(
    opened.map((orders) => orders.filter(({ kind }) => kind === "begin" || kind === "end").map(({ kind }) => kind)),
    [["begin", "end"], ["begin"]],
  );
  const [again] = [new Matching(openGrammarThread, () => tokenList(tokenizer, vocabSize))];
  t.after(() => again.close());
  const other = await again.begin(again.keep(compileSource(sourceOf(NAME))), eosIds);
  for (const [i, id] of ids.entries()) assert.deepStrictEqual(await again.accept(other.text, id), masks[i]);
});

test("a thread that runs out of memory is the end of its order alone", async (t) => {
  let dies = true;
  const open: OpenGrammarThread = (events) => {
    const thread = openGrammarThread(events);
    return {
      post: (order) => {
        if (dies) events.lost("out of memory");
        dies = false;
        thread.post(order);
      },
      end: () => thread.end(),
    };
  };
  const grammars = new Grammars({ open, tokenizer, vocabSize });
  t.after(() => grammars.close());
  await assert.rejects(grammars.begin(sourceOf(NAME), eosIds), { code: "schema_too_complex" });
  const constraint = await grammars.begin(sourceOf(NAME), eosIds);
  assert.deepStrictEqual(
    idsOf(constraint.allowed).map((id) => tokenizer.tokenText(id)[0]),
    idsOf(constraint.allowed).map(() => "{"),
  );
  constraint.dispose();
});

test("masks of a long count cost what those of a short one do", async (t) => {
  const matching = new Matching(openGrammarThread, () => tokenList(tokenizer, vocabSize));
  t.after(() => matching.close());
  const [letter] = tokenizer.encode("a", { addBos: false });
  const cost = async (schema: Record<string, unknown>) => {
    const { text } = await matching.begin(matching.keep(compileSource(sourceOf(schema))), eosIds);
    await matching.accept(text, tokenizer.encode('"', { addBos: false })[0]);
    const begun = performance.now();
    for (let i = 0; i < 300; i++) await matching.accept(text, letter);
    matching.end(text);
    return performance.now() - begun;
  };
  await cost({ type: "string" });
  const plain = await cost({ type: "string" });
  for (const schema of [
    { maxLength: 512 },
    { maxLength: 8192 },
    { pattern: "^.{0,512}$" },
    { pattern: "^[^x]*$", maxLength: 512 },
  ]) {
    const long = await cost({ type: "string", ...schema });
    assert.ok(long < 4 * plain + 300, `${JSON.stringify(schema)}: ${long} ms, without a count ${plain} ms`);
  }
});
