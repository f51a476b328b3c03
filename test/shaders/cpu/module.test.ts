// The modules of CPU kernels: what they need from outside, what they offer, and that their arguments are described.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { BUILDS } from "./cpu_kernels.ts";

const at = (name: string) => new URL(`../../../engine/cpu/${name}`, import.meta.url);
const { argumentsOf }: { argumentsOf: (sources: [string, string][]) => Record<string, [string, string][]> } =
  await import(new URL("../../../../setup/build_kernels.mjs", import.meta.url).href);

/** Numbers of a WebAssembly module's sections, in order. */
function sectionsOf(bytes: Uint8Array): number[] {
  const sections: number[] = [];
  for (let i = 8; i < bytes.length; ) {
    sections.push(bytes[i++]);
    let size = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[i++];
      size |= (byte & 127) << shift;
      if (byte < 128) break;
    }
    i += size;
  }
  return sections;
}

for (const build of BUILDS) {
  test(`${build}: a kernel for every description, no data that threads' instances would write over another's`, () => {
    const bytes = readFileSync(at(`${build}.wasm`));
    const schema = JSON.parse(readFileSync(at("kernels.json"), "utf8")) as Record<string, [string, string][]>;
    const sections = sectionsOf(bytes);
    assert.ok(sections.includes(10), "there is code");
    assert.ok(!sections.includes(11), "there are data segments");
    assert.ok(!sections.includes(8), "something runs at the start");
    // They trap where another thread has just let the memory grow: shaders/cpu/bytes.cpu.ts.
    assert.equal(bytes.indexOf(Buffer.of(0xfc, 0x0a, 0, 0)), -1, "memory.copy");
    assert.equal(bytes.indexOf(Buffer.of(0xfc, 0x0b, 0)), -1, "memory.fill");
    const text = bytes.toString("latin1");
    for (const [name, fields] of Object.entries(schema)) {
      assert.ok(text.includes(name), `${name} is exported`);
      assert.ok(fields.length > 0, name);
      assert.equal(new Set(fields.map(([field]) => field)).size, fields.length, name);
    }
  });
}

test("arguments are the fields of the class, in order; files without one describe no kernel", () => {
  const text =
    "/** A {b} c. */\n@unmanaged\nexport class TwoWordsArgs {\n  x: usize;\n  ROWS: i32; // of y\n  EPS: f32;\n}\n";
  assert.deepEqual(
    argumentsOf([
      ["layer/two_words.cpu.ts", text],
      ["cpu/simd.cpu.ts", "export class Row {\n  a: i32;\n}\n"],
    ]),
    {
      two_words: [
        ["x", "usize"],
        ["ROWS", "i32"],
        ["EPS", "f32"],
      ],
    },
  );
});
