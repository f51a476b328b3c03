import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { loadAdapter } from "../../../files/lora/load.ts";
import { Pattern } from "../../../files/lora/pattern.ts";
import { writePeftAdapter } from "../../../files/lora/peft_write.ts";
import { MoloraError } from "../../../proto/errors.ts";
import { loraModule, MemoryFolder, SMALL } from "./synthetic.ts";

const FILES = writePeftAdapter({ layers: [{ q_proj: loraModule("q_proj", 2, 2) }, {}] }, SMALL);
const CONFIG = JSON.parse(FILES.config) as Record<string, unknown>;

/** Whatever the input is, the answer is an adapter or a typed error that is not our own fault. */
async function loadsOrSaysWhy(config: string, weights: Uint8Array): Promise<void> {
  const folder = new MemoryFolder({ "adapter_config.json": config, "adapter_model.safetensors": weights });
  try {
    await loadAdapter("fuzzed", folder, SMALL);
  } catch (error) {
    assert.ok(error instanceof MoloraError && error.code !== "internal", String((error as Error).stack));
  }
}

test("10,000 changed configurations", async () => {
  const fields = fc.dictionary(fc.constantFrom(...Object.keys(CONFIG), "layers_to_transform", "use_x"), fc.jsonValue());
  const changed = fields.map((changes) => JSON.stringify({ ...CONFIG, ...changes }));
  await fc.assert(
    fc.asyncProperty(changed, (config) => loadsOrSaysWhy(config, FILES.safetensors)),
    { numRuns: 10_000 },
  );
});

test("10,000 weight files with changed bytes", async () => {
  const at = fc.nat(FILES.safetensors.length - 1);
  const changes = fc.array(fc.tuple(at, fc.nat(255)), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(changes, fc.nat(FILES.safetensors.length), async (bytes, length) => {
      const weights = FILES.safetensors.slice(0, length % 3 === 0 ? length : undefined);
      for (const [index, byte] of bytes) weights[index % Math.max(1, weights.length)] = byte;
      await loadsOrSaysWhy(FILES.config, weights);
    }),
    { numRuns: 10_000 },
  );
});

test("10,000 patterns", () => {
  const parts = [
    "a",
    ".",
    "*",
    "+",
    "?",
    "(",
    ")",
    "(?:",
    "|",
    "[",
    "]",
    "^",
    "-",
    "{2}",
    "{,3}",
    "\\d",
    "\\b",
    "$",
    "\\",
  ];
  const patterns = fc.array(fc.constantFrom(...parts), { maxLength: 20 }).map((chosen) => chosen.join(""));
  fc.assert(
    fc.property(patterns, (source) => {
      try {
        new Pattern(source).matchesSuffix("model.layers.11.self_attn.aaaaaaaaaaaaaaaaaaaa");
      } catch (error) {
        assert.ok(error instanceof MoloraError && error.code !== "internal", String(error));
      }
    }),
    { numRuns: 10_000 },
  );
});
