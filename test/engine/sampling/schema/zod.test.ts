// Schemas as zod writes them; what is written under them is parsed by zod itself.

import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { finishedText, matcherOf } from "../walks.ts";

const tree: z.ZodType = z.object({ value: z.boolean(), next: z.nullable(z.lazy(() => tree)) });

const SCHEMAS: Record<string, z.ZodType> = {
  record: z.record(z.string(), z.number()),
  "record of an enum": z.record(z.enum(["x", "y"]), z.int()),
  "partial record": z.partialRecord(z.enum(["x", "y", "z"]), z.boolean()),
  "record of a pattern": z.record(z.string().regex(/^[a-z]{1,3}$/), z.null()),
  object: z.object({ name: z.string().max(20), age: z.int().min(0).max(120), note: z.string().optional() }),
  "strict object": z.strictObject({ a: z.literal("x"), b: z.nullable(z.boolean()) }),
  "loose object": z.looseObject({ a: z.literal(3) }),
  numbers: z.object({
    a: z.number().min(0.1).max(0.9),
    b: z.number().gt(0).lt(1),
    c: z.int32(),
    d: z.number().multipleOf(5),
    e: z.int().positive(),
  }),
  email: z.email(),
  uuid: z.uuid(),
  guid: z.guid(),
  url: z.url(),
  ipv4: z.ipv4(),
  ipv6: z.ipv6(),
  cidr: z.cidrv4(),
  date: z.iso.date(),
  time: z.iso.time(),
  "date and time": z.iso.datetime(),
  "date and time with offset": z.iso.datetime({ offset: true }),
  "local date and time": z.iso.datetime({ local: true }),
  base64: z.base64(),
  "base64 of URLs": z.base64url(),
  nanoid: z.nanoid(),
  cuid2: z.cuid2(),
  ulid: z.ulid(),
  "phone number": z.e164(),
  strings: z.object({
    a: z.string().startsWith("ab").max(6),
    b: z.string().endsWith("!").min(2).max(6),
    c: z.string().length(3),
    d: z.string().includes("x").max(8),
  }),
  tuple: z.tuple([z.boolean(), z.int()]),
  "tuple with a rest": z.tuple([z.boolean()], z.null()),
  array: z
    .array(z.enum(["a", "b"]))
    .min(1)
    .max(3),
  union: z.union([z.string().max(3), z.int(), z.null()]),
  "discriminated union": z.discriminatedUnion("kind", [
    z.object({ kind: z.literal("a"), n: z.int() }),
    z.object({ kind: z.literal("b"), s: z.string().max(3) }),
  ]),
  intersection: z.intersection(z.object({ a: z.int() }), z.object({ b: z.boolean() })),
  recursive: tree,
  any: z.object({ a: z.any(), b: z.unknown() }),
};

test("zod: what it writes with lookaheads inside is refused by name", () => {
  assert.throws(() => matcherOf(z.toJSONSchema(z.iso.duration()) as Record<string, unknown>), {
    code: "schema_invalid",
  });
});

for (const [name, type] of Object.entries(SCHEMAS)) {
  test(`zod: ${name}`, () => {
    const matcher = matcherOf(z.toJSONSchema(type) as Record<string, unknown>);
    let finished = 0;
    for (let seed = 1; seed <= 15; seed++) {
      const text = finishedText(matcher, seed);
      if (text === undefined) continue;
      finished++;
      const result = type.safeParse(JSON.parse(text));
      assert.ok(result.success, `${text}: ${result.error?.message}`);
    }
    assert.ok(finished > 0, "no text was finished");
  });
}
