// The structs of a step as CPU bodies declare them, against the schema that also gives the WGSL.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ENTRY, LOGIT_ROW, SEQUENCE, STEP, TOKEN } from "../../shaders/step.ts";

const TEXT = readFileSync("shaders/step.cpu.ts", "utf8");

for (const { name, fields, words } of [STEP, TOKEN, SEQUENCE, ENTRY, LOGIT_ROW]) {
  test(`the class ${name} has the schema's fields in the schema's order`, () => {
    const body = new RegExp(`class ${name} \\{([^}]*)\\}`).exec(TEXT)?.[1] ?? "";
    const declared = [...body.matchAll(/^ {2}(\w+): (i32|u32|f32);$/gm)].map(([, field, type]) => ({ field, type }));
    const own = declared.filter(({ field }) => !field.startsWith("pad"));
    assert.deepEqual(
      own.map(({ field, type }) => [field, type === "f32" ? "f32" : "u32"]),
      Object.entries(fields),
    );
    assert.equal(declared.length, words);
  });
}
