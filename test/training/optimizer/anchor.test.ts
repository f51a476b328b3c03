// What holds parameters near their start, against float64: the gradient it adds is that of the penalty it tells, and a training so held
// stays nearer, most of all where it matters.

import assert from "node:assert/strict";
import { test } from "node:test";
import { MemorySource } from "../../../files/source.ts";
import { addedImportance, checkImportance, readImportance, writeImportance } from "../../../training/importance.ts";
import { Anchor } from "../../../training/optimizer/anchor.ts";
import { Parameters } from "../../../training/optimizer/parameters.ts";
import { raises } from "../../raises.ts";
import { checkClose, onEachDevice, randomFloats } from "../../shaders/device.ts";
import { checkGradient } from "../../shaders/kernel_case.ts";

const SIZES: [string, number][] = [
  ["a", 70],
  ["b", 5],
  ["c", 3000],
];
const tensors = (seed: number, map = (value: number) => value) =>
  new Map(SIZES.map(([name, size], i) => [name, randomFloats(size, seed + i).map(map)]));

onEachDevice("the gradient is that of the penalty, added to what is there, and zero at the start", async (device) => {
  const strength = 0.37;
  const start = tensors(1);
  const importance = tensors(11, Math.abs);
  const parameters = new Parameters(device, "parameters", start, true);
  const anchor = await Anchor.create(device, parameters, { strength, importance });
  assert.equal(await anchor.pull(), 0);

  const [values, before] = [tensors(21), tensors(31)];
  parameters.write(values);
  parameters.write(before, parameters.gradients);
  const penalty = await anchor.pull();
  let expected = 0;
  const gradients = await parameters.read(parameters.gradients);
  for (const [name, at] of values) {
    const of = (x: ArrayLike<number>) =>
      (strength / 2) *
      Array.from(x, (value, i) => importance.get(name)![i] * (value - start.get(name)![i]) ** 2).reduce(
        (s, v) => s + v,
        0,
      );
    expected += of(at);
    const added = gradients.get(name)!.map((value, i) => value - before.get(name)![i]);
    checkGradient(added, of, at);
  }
  checkClose([penalty], [expected], 1e-5);

  const alike = await Anchor.create(device, parameters, { strength: 2 });
  parameters.write(start);
  const distance = [...values].flatMap(([name, at]) => [...at].map((value, i) => (value - start.get(name)![i]) ** 2));
  checkClose([await alike.pull()], [distance.reduce((sum, value) => sum + value, 0)], 1e-5);
  await raises("data_invalid", /c is not that/, () =>
    Anchor.create(device, parameters, { strength, importance: new Map([...importance].slice(0, 2)) }),
  );
});

test("importance of tasks adds up, each scaled to a mean of 1; its file comes back, and no other's", async () => {
  const [one, two] = [tensors(1, Math.abs), tensors(5, Math.abs)];
  const first = addedImportance(one, undefined);
  const all = [...first.values()].flatMap((values) => [...values]);
  assert.ok(Math.abs(all.reduce((sum, value) => sum + value, 0) / all.length - 1) < 1e-5);
  const both = addedImportance(two, first);
  const scale = both.get("a")![3] - first.get("a")![3];
  assert.ok(Math.abs(scale / two.get("a")![3] - (both.get("c")![9] - first.get("c")![9]) / two.get("c")![9]) < 1e-3);
  const read = await readImportance(new MemorySource("importance", writeImportance(both)));
  assert.deepEqual(read, both);
  checkImportance(read, one);
  const negative = new Map([...both, ["b", both.get("b")!.map((value) => -value)] as [string, Float32Array]]);
  assert.throws(() => checkImportance(negative, one), /b is not that/);
});
