// What is noted of what was asked for: by run, by profile, whatever the file holds.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { ExpectedNeed } from "../../cli/expected_need.ts";

function file(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), "molora-need-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return join(folder, "deep", "expected.json");
}

const used = (tokens: Record<string, number>) => ({
  generatedTokens: Object.values(tokens).reduce((sum, count) => sum + count, 0),
  adapters: Object.entries(tokens).map(([name, count]) => ({ name, tokens: count })),
});

test("what was used more comes first; an earlier run counts half, and what nobody asks for any more is forgotten", async (t) => {
  const path = file(t);
  const first = await ExpectedNeed.read(path);
  assert.deepEqual(first.adapters("a"), []);
  first.note("a", used({ x: 1, y: 100 }));
  first.note("a", used({ x: 10, y: 100, idle: 0 }));
  first.note("b", used({ z: 1 }));
  await first.save();
  const second = await ExpectedNeed.read(path);
  assert.deepEqual([second.adapters("a"), second.adapters("b")], [["y", "x"], ["z"]]);
  second.note("a", used({ x: 60 }));
  await second.save();
  const third = await ExpectedNeed.read(path);
  assert.deepEqual(third.adapters("a"), ["x", "y"], "65 and 50");
  assert.deepEqual([third.profile("a"), third.profile("b"), third.profile("c")], [115, 1, 0]);
  for (let run = 0; run < 8; run++) {
    const next = await ExpectedNeed.read(path);
    next.note("a", used({ other: 1 }));
    await next.save();
  }
  assert.deepEqual((await ExpectedNeed.read(path)).adapters("a"), ["other"]);
});

test("an engine that is opened again goes on from what it had used", async (t) => {
  const path = file(t);
  const need = await ExpectedNeed.read(path);
  need.note("a", used({ x: 10 }));
  need.note("a", used({ x: 20 }), true);
  need.note("a", used({ x: 5, y: 22 }));
  await need.save();
  assert.deepEqual((await ExpectedNeed.read(path)).adapters("a"), ["x", "y"], "25 and 22");
});

test("a file that is damaged, or is something else, says nothing", async (t) => {
  const path = file(t);
  await (await ExpectedNeed.read(path)).save();
  for (const text of ["", "{", "[1]", '{"a": null}', '{"a": {"adapters": {"x": "many", "y": -1}}}']) {
    writeFileSync(path, text);
    assert.deepEqual((await ExpectedNeed.read(path)).adapters("a"), [], text);
  }
});
