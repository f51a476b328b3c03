// The README's table of what is verified and what is refused holds, cell by cell.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { FAMILIES } from "../files/families/registry.ts";
import { Fields } from "../files/fields.ts";
import { parsePeftConfig } from "../files/lora/peft_config.ts";
import { SUPPORT, supportTable } from "./support.ts";

const MODELS = "test/fixtures/families/models";

test("the README's table is made from the fixtures as they are", () => {
  const [, table] = /<!-- support.*?-->\n\n(.*?)\n\n<!-- \/support -->/s.exec(readFileSync("README.md", "utf8")) ?? [];
  assert.equal(table, supportTable(), "run npm run docs:support");
});

test("every family and every model of the fixtures has its row", () => {
  const models = SUPPORT.families.flatMap((family) => family.models);
  assert.deepEqual(models.toSorted(), readdirSync(MODELS).sort());
  const classes = models.map(
    (model) => JSON.parse(readFileSync(`${MODELS}/${model}/config.json`, "utf8")).architectures[0],
  );
  assert.deepEqual(
    FAMILIES.filter(({ architectures }) => !architectures.some((name) => classes.includes(name))),
    [],
  );
});

test("every packed model of the fixtures has its row", () => {
  const models = SUPPORT.packed.flatMap((format) => format.models);
  assert.deepEqual(models.toSorted(), readdirSync("test/fixtures/packed").sort());
});

/** Adapters whose numbers a fixture has. */
function comparedAdapters(folder: string): (string | undefined)[] {
  const path = folder === "tiny" ? "parity/tiny" : `${folder}/expected`;
  const { uses } = JSON.parse(readFileSync(`test/fixtures/${path}.json`, "utf8")) as { uses: { adapter?: string }[] };
  return uses.map(({ adapter }) => adapter);
}

for (const { feature, verified, refused } of SUPPORT.adapters) {
  test(`${feature}: ${verified === undefined ? "refused by name" : "verified"}`, () => {
    if (verified !== undefined) {
      const [, folder, adapter] = /^(.*)\/([^/]+)$/.exec(verified)!;
      assert.ok(comparedAdapters(folder).includes(adapter), "numbers of PEFT's");
      return;
    }
    const config = { peft_type: "LORA", r: 8, target_modules: ["q_proj"], ...refused };
    const parse = () => parsePeftConfig(new Fields(config, "adapter_config.json", "config_invalid"));
    assert.throws(parse, { code: "adapter_unsupported" });
  });
}
