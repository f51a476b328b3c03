// Grammars compiled for real tokenizers: every token they allow keeps the text within its language, and bad schemas are told.
// The threads are real ones; no device is needed.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Constraint } from "../../../engine/sampling/constraint.ts";
import { Grammars } from "../../../engine/sampling/grammar.ts";
import type { GrammarSource } from "../../../engine/sampling/schema/source.ts";
import { loadTokenizer } from "../../../engine/text/tokenizer.ts";
import { openModelFiles } from "../../../files/model_files/model_files.ts";
import { openPath } from "../../../node/files.ts";
import { openGrammarThread } from "../../../node/grammar_thread.ts";

const files = await openModelFiles(await openPath("models/nano"));
const tokenizer = loadTokenizer(files.tokenizerFiles);
const { vocabSize, eosIds } = files.config;
const grammars = new Grammars({ open: openGrammarThread, tokenizer, vocabSize });

const source = (schema: Record<string, unknown>, strict = true): GrammarSource => ({
  options: [{ before: "", schema, after: "" }],
  strict,
  before: "",
  after: "",
});
const begin = (schema: Record<string, unknown>) => grammars.begin(source(schema), eosIds);

function allowedIds({ allowed }: Constraint): number[] {
  return Array.from({ length: vocabSize }, (_, id) => id).filter((id) => (allowed[id >> 5] >>> (id & 31)) & 1);
}

/** Text of a walk that takes what `pick` says of the allowed tokens, until the grammar ends it. */
async function walk(constraint: Constraint, pick: (ids: number[]) => number, most = 400): Promise<string | undefined> {
  const taken: number[] = [];
  for (let i = 0; i < most; i++) {
    const id = pick(allowedIds(constraint));
    if (eosIds.includes(id)) {
      constraint.dispose();
      return tokenizer.decode(taken, { continuation: true });
    }
    taken.push(id);
    await constraint.accept(id);
  }
  return undefined;
}

/** A generator of its own, so that a failure repeats. */
function random(seed: number): (ids: number[]) => number {
  let state = seed;
  return (ids) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return ids[state % ids.length];
  };
}

const PERSON = {
  type: "object",
  properties: {
    name: { enum: ["Ada", "Łucja", "日本"] },
    age: { type: "integer", minimum: 0, maximum: 120 },
    tags: { type: "array", items: { type: "boolean" }, maxItems: 3 },
    next: { $ref: "#/$defs/city" },
  },
  required: ["name", "age", "tags", "next"],
  $defs: { city: { type: ["string", "null"], maxLength: 3 } },
};

test("random walks end in JSON of the schema", async () => {
  for (let seed = 1; seed <= 20; seed++) {
    const text = await walk(await begin(PERSON), random(seed));
    assert.ok(text !== undefined, `seed ${seed} did not end`);
    const { name, age, tags, ...rest } = JSON.parse(text);
    assert.ok(PERSON.properties.name.enum.includes(name), text);
    assert.ok(Number.isInteger(age) && age >= 0 && age <= 120, text);
    assert.ok(tags.length <= 3 && tags.every((tag: unknown) => typeof tag === "boolean"), text);
    assert.deepStrictEqual(Object.keys(rest), ["next"]);
  }
});

/** Strings that are written under some restraint, which is where a grammar easily lets through what is no JSON. */
const STRINGS: Record<string, unknown>[] = [
  { type: "string", minLength: 2, maxLength: 5 },
  { type: "string", pattern: "^a.{1,4}b$" },
  { type: "string", pattern: "^[^x]{2,4}$" },
  { type: "string", pattern: "^[\\s\\W]{2,4}$" },
  { type: "string", pattern: '^[ -~"\\n]{2,4}$' },
  { type: "string", pattern: "^\\d{2}-\\w{2}$" },
  { type: "object", patternProperties: { "^.{1,2}$": { type: "null" } } },
  ...["date", "time", "date-time", "email", "ipv4", "ipv6", "uuid", "duration"].map((format) => ({
    type: "string",
    format,
  })),
];

test("every walk through a restrained string is JSON and keeps to the restraint", async () => {
  for (const schema of STRINGS) {
    for (let seed = 1; seed <= 12; seed++) {
      const text = await walk(await begin(schema), random(seed), 150);
      if (text === undefined) continue; // some formats have no longest text
      const shown = `${JSON.stringify(schema)}: ${JSON.stringify(text)}`;
      let value: unknown;
      assert.doesNotThrow(() => {
        value = JSON.parse(text);
      }, shown);
      const {
        minLength = 0,
        maxLength = 1e9,
        pattern = "",
      } = schema as { minLength?: number; maxLength?: number; pattern?: string };
      if (typeof value !== "string") continue;
      const length = [...value].length;
      assert.ok(length >= minLength && length <= maxLength, shown);
      assert.match(value, new RegExp(pattern, "u"), shown);
    }
  }
});

test("the surroundings are held to as well, and nothing follows", async () => {
  const wrapped: GrammarSource = { ...source({ type: "boolean" }), before: "<tool_call>\n", after: "\n</tool_call>" };
  const texts = new Set<string | undefined>();
  for (let seed = 1; seed <= 8; seed++) texts.add(await walk(await grammars.begin(wrapped, eosIds), random(seed)));
  assert.deepStrictEqual([...texts].sort(), ["<tool_call>\nfalse\n</tool_call>", "<tool_call>\ntrue\n</tool_call>"]);
});

test("special tokens are never text, and no id beyond the vocabulary is allowed", async () => {
  const constraint = await begin({ type: "string" });
  const [quote] = tokenizer.encode('"', { addBos: false });
  await constraint.accept(quote);
  const ids = allowedIds(constraint);
  assert.ok(ids.length > 1000);
  for (const id of tokenizer.specialIds) assert.ok(!ids.includes(id), tokenizer.tokenText(id));
  assert.equal(constraint.allowed.length, Math.ceil(vocabSize / 32));
});

test("a schema that cannot be compiled is told, and the next one compiles as if nothing had been", async () => {
  const held = await begin(PERSON);
  const before = allowedIds(held);
  const bad: Record<string, unknown>[] = [
    { type: "objec" },
    { $ref: "#/nowhere" },
    { $ref: "https://example.org/schema" },
    { type: "string", pattern: "(" },
    { type: "string", pattern: "^(?<=a)b$" },
    { type: "string", pattern: "^(a)\\1$" },
    { type: "object", patternProperties: { "\\b": {} } },
    { type: "integer", minimum: 3, maximum: 1 },
    { enum: [] },
    { not: { type: "string" } },
    { type: "object", properties: { list: { type: "array", uniqueItems: true } } },
    { $ref: "#" },
    { description: "x".repeat(70_000) },
  ];
  for (const schema of bad) {
    await assert.rejects(begin(schema), { code: "schema_invalid" }, JSON.stringify(schema).slice(0, 80));
  }
  await assert.rejects(begin({ type: "objec" }), /Unsupported type "objec"/);
  assert.ok((await walk(await begin(PERSON), random(5))) !== undefined);
  // A sequence that was under way all the time goes on.
  assert.deepStrictEqual(allowedIds(held), before);
  assert.ok((await walk(held, random(6))) !== undefined);
});

test("names and values that look like keywords are none", async () => {
  const schema = {
    type: "object",
    properties: { not: { const: { if: 1 } }, pattern: { enum: ['a"b'] } },
    required: ["not", "pattern"],
  };
  assert.equal(await walk(await begin(schema), random(1)), '{"not": {"if":1}, "pattern": "a\\"b"}');
});

test("a string that a pattern makes hold quotes, backslashes or line ends is written with escapes", async () => {
  const cases: [pattern: string, value: string][] = [
    ['^a"b$', 'a"b'],
    ["^a\\nb$", "a\nb"],
    ["^\\\\\\u0001$", "\\\u0001"],
  ];
  for (const [pattern, value] of cases) {
    const text = await walk(await begin({ type: "string", pattern }), random(1));
    assert.equal(JSON.parse(text ?? ""), value);
  }
  const text = await walk(
    await begin({ type: "object", patternProperties: { "^\\\\$": { type: "null" } }, minProperties: 1 }),
    random(1),
  );
  assert.deepStrictEqual(JSON.parse(text ?? ""), { "\\": null });
});

test("a host without threads says so", async () => {
  const none = new Grammars({ open: undefined, tokenizer, vocabSize });
  await assert.rejects(none.begin(source({ type: "boolean" }), eosIds), { code: "bad_request" });
});
